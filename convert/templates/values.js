// Values as text. Whatever comes from the snapshot reaches the page through textContent alone.

const KINDS = { f: "float", i: "int", b: "bytes", g: "name", t: "tuple", h: "hidden" };

// What is invisible, or turns the line around, would make one text look like another.
const INVISIBLE = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
const ESCAPES = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function escaped(text) {
  return text.replace(INVISIBLE, (letter) => {
    const code = letter.codePointAt(0);
    return ESCAPES[letter] ?? (code < 256 ? "\\x" + code.toString(16).padStart(2, "0")
      : code < 65536 ? "\\u" + code.toString(16).padStart(4, "0")
      : "\\U" + code.toString(16).padStart(8, "0"));
  });
}

function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  return mark + escaped(text.replaceAll("\\", "\\\\").replaceAll(mark, "\\" + mark)) + mark;
}

const isObject = (value) => Array.isArray(value) && typeof value[0] === "number";

function kindOf(value) {
  if (Array.isArray(value)) return KINDS[value[0]];
  if (value === null) return "None";
  return { string: "str", number: "int", boolean: "bool" }[typeof value];
}

// A value that is no object, as Python writes it.
function written(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number") return String(value);
  if (value[0] === "t") return "()";
  if (value[0] === "h") return "hidden";
  if (value[0] === "i" && value[2] > value[1].length) return value[1] + "…";
  return value[1];
}

function sizeText(size) {
  if (size < 1000) return `${size} B`;
  let unit = "";
  for (unit of ["kB", "MB", "GB", "TB"]) {
    size /= 1000;
    if (size < 1000) break;
  }
  return `${size.toFixed(1)} ${unit}`;
}

const numberText = (number) => number.toLocaleString("en");
const several = (number, noun) => `${numberText(number)} ${noun}${number === 1 ? "" : "s"}`;
const cut = (text, most) => (text.length > most ? text.slice(0, most - 1) + "…" : text);

function element(tag, className, ...parts) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...parts);
  return made;
}

function button(className, label, action) {
  const made = element("button", className, label);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

const byId = (id) => document.getElementById(id);
