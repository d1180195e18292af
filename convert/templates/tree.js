// The tree: a flat list of rows with levels, so that no depth is too great. Rows are made when unfolded.

const PAGE = 200;
const DEEPEST_SHOWN = 50;
const UNFOLDED_AT_FIRST = 24;
const tree = byId("tree");
const rows = new Map(); // by their elements
let selected = null;
let listeners = [];

const rowBefore = (row) => rows.get(row.element.previousElementSibling);
const rowAfter = (row) => rows.get(row.element.nextElementSibling);
const objectAt = (row) => {
  if (row.range) return null;
  const value = valueAt(row.spot);
  return isObject(value) ? value[0] : null;
};

// A row is for a spot, or for a range of units of a great object.
function makeRow(level, place, count, spot, range) {
  const row = { level, spot, range, isOpen: false, opens: Boolean(range) };
  const line = element("span", "line");
  const twist = element("span", "twist");
  twist.setAttribute("aria-hidden", "true");
  row.element = element("div", "row", twist, line);
  row.element.setAttribute("role", "treeitem");
  row.element.setAttribute("aria-level", level + 1);
  row.element.setAttribute("aria-posinset", place + 1);
  row.element.setAttribute("aria-setsize", count);
  row.element.setAttribute("aria-selected", "false");
  row.element.tabIndex = -1;
  row.element.style.setProperty("--level", Math.min(level, DEEPEST_SHOWN));
  rows.set(row.element, row);
  if (range) fillRange(row, line);
  else fillSpot(row, line);
  if (row.opens) row.element.setAttribute("aria-expanded", "false");
  return row;
}

function fillRange(row, line) {
  const { n, from, to } = row.range;
  const thing = opened(n);
  let size = 0;
  for (let unit = from; unit < to; unit++) size += sizeOfUnit(thing, unit);
  line.append(element("span", "label", `${numberText(from)} … ${numberText(to - 1)}`), element("span", "kind", several(to - from, "item")));
  addSize(row, size, n);
}

function sizeOfUnit(thing, unit) {
  let size = 0;
  for (const slot of slotsOfUnit(thing, unit)) {
    const value = thing.record[slot];
    if (isObject(value) && holders[value[0]] === thing.n && isHome([thing.n, slot], value[0])) size += whole[value[0]];
  }
  return size;
}

function fillSpot(row, line) {
  const [holder, slot] = row.spot;
  line.append(...labelOf(row, holder, slot));
  const value = valueAt(row.spot);
  if (!isObject(value)) {
    line.append(...scalar(value));
    return;
  }
  const n = value[0];
  if (row.level > 0 && !isHome(row.spot, n)) {
    const home = homeOf(n);
    row.follows = home;
    const link = button("link", `same as ${cut(placeOf(home), 90)}`, () => reveal(home));
    link.tabIndex = -1;
    line.append(titleOf(opened(n).title), link);
    return;
  }
  const thing = opened(n);
  row.opens = !isLeaf(thing);
  line.append(...shownObject(thing));
  if (referrersOf(n).length > 0) {
    const link = button("link back", `referred to by ${several(placesCount(n), "place")}`, () => {
      select(row);
      showTab("selected");
    });
    link.tabIndex = -1;
    line.append(link);
  }
  addSize(row, whole[n], holder);
}

function labelOf(row, holder, slot) {
  if (holder < 0) return [element("span", "label", "application")];
  if (row.level === 0) return [element("span", "label", placeOf(row.spot))];
  const step = stepAt(holder, slot);
  if (step.field !== undefined) return [element("span", "label", escaped(step.field)), element("span", "dim", ":")];
  if (step.key !== undefined) return [element("span", "dim key", "key"), element("span", "label", step.key), element("span", "dim", ":")];
  if (step.member !== undefined) return [element("span", "dim", "•")];
  return [element("span", "label item", cut(step.item, 80)), element("span", "dim", ":")];
}

function titleOf(title) {
  const [module, name] = title.includes(":") ? title.split(/:(.*)/s) : ["", title];
  const shown = element("span", "class");
  if (module) shown.append(element("span", "module", escaped(module) + "."));
  shown.append(escaped(name));
  return shown;
}

function scalar(value, most = 120) {
  const kind = kindOf(value);
  if (kind === "hidden") return [element("span", "hidden-value", "hidden"), element("span", "kind", "declared secret")];
  const parts = [element("span", `value ${kind}`, cut(written(value), most))];
  if (kind !== "None" && kind !== "bool") parts.push(element("span", "kind", kind));
  return parts;
}

function shownObject(thing) {
  if (thing.text !== null) {
    const text = cut(thing.title === "str" ? quoted(thing.text.slice(0, 200)) : escaped(thing.text), 120);
    const parts = [element("span", `value ${thing.title}`, text), element("span", "kind", thing.title)];
    if (thing.length > 100) parts.push(element("span", "kind", lengthOf(thing)));
    return parts;
  }
  const parts = [titleOf(thing.title)];
  const counted = [];
  if (thing.fields.length) counted.push(several(thing.fields.length, "field"));
  if (thing.units) counted.push(several(thing.units, "item"));
  parts.push(element("span", "kind", counted.join(", ") || "empty"));
  const preview = previewOf(thing);
  if (preview) parts.push(element("span", "preview", preview));
  return parts;
}

const lengthOf = (thing) =>
  several(thing.length, thing.title === "bytes" || thing.title === "bytearray" ? "byte" : "character");

function previewOf(thing) {
  const shown = [];
  thing.fields.slice(0, 4).forEach((field, index) => {
    const value = thing.record[thing.fieldsAt + index];
    if (!isObject(value)) shown.push(`${escaped(field)}: ${cut(written(value), 30)}`);
  });
  if (!thing.fields.length) {
    for (let unit = 0; unit < Math.min(thing.members, 4); unit++) {
      const value = thing.record[unitSlot(thing, unit)];
      if (isObject(value)) break;
      shown.push(cut(written(value), 30));
    }
  }
  return cut(shown.join(", "), 90);
}

function addSize(row, size, holder) {
  const bar = element("i", "bar");
  bar.style.setProperty("--share", holder < 0 || !whole[holder] ? 1 : size / whole[holder]);
  const shown = element("span", "size", sizeText(size), bar);
  row.element.append(shown);
}

// Units as rows: themselves, or in ranges of 200 of them, of 40,000 and so on.
function unitRows(thing, from, to) {
  let span = 1;
  while ((to - from) / span > PAGE) span *= PAGE;
  const specs = [];
  for (let unit = from; unit < to; unit += span) {
    if (span > 1) specs.push([null, { n: thing.n, from: unit, to: Math.min(unit + span, to) }]);
    else for (const slot of slotsOfUnit(thing, unit)) specs.push([[thing.n, slot], null]);
  }
  return specs;
}

function specsBelow(row) {
  if (row.range) return unitRows(opened(row.range.n), row.range.from, row.range.to);
  const thing = opened(valueAt(row.spot)[0]);
  const fields = thing.fields.map((_, index) => [[thing.n, thing.fieldsAt + index], null]);
  return [...fields, ...unitRows(thing, 0, thing.units)];
}

function unfold(row) {
  if (row.isOpen || !row.opens) return;
  row.isOpen = true;
  row.element.setAttribute("aria-expanded", "true");
  const specs = specsBelow(row);
  row.element.after(
    ...specs.map(([spot, range], place) => makeRow(row.level + 1, place, specs.length, spot, range).element),
  );
}

function fold(row) {
  if (!row.isOpen) return;
  row.isOpen = false;
  row.element.setAttribute("aria-expanded", "false");
  for (let next = rowAfter(row); next && next.level > row.level; next = rowAfter(row)) {
    rows.delete(next.element);
    next.element.remove();
  }
}

const toggle = (row) => (row.isOpen ? fold(row) : unfold(row));

function select(row, isFocused = true) {
  if (selected && rows.has(selected.element)) {
    selected.element.setAttribute("aria-selected", "false");
    selected.element.tabIndex = -1;
  }
  selected = row;
  row.element.setAttribute("aria-selected", "true");
  row.element.tabIndex = 0;
  if (isFocused) row.element.focus({ preventScroll: true });
  if (!row.range) listeners.forEach((listener) => listener(row.spot));
}

// The tree begins with the object at this spot: with the application, or with what is too deep in it.
function plant(spot) {
  rows.clear();
  tree.replaceChildren();
  const row = makeRow(0, 0, 1, spot, null);
  tree.append(row.element);
  byId("top").hidden = spot[0] < 0;
  const waiting = [row];
  while (waiting.length) {
    const next = waiting.shift();
    const below = next.opens ? specsBelow(next).length : 0;
    if (next !== row && rows.size + below > UNFOLDED_AT_FIRST) continue;
    unfold(next);
    for (let each = rowAfter(next); each && each.level > next.level; each = rowAfter(each)) waiting.push(each);
    if (spot[0] >= 0) break;
  }
  return row;
}

const isAt = (row, [holder, slot]) => row.spot && row.spot[0] === holder && row.spot[1] === slot;

// Unfold what is needed to see this spot, and select it.
function reveal(spot) {
  const path = [spot];
  while (path[0][0] >= 0 && path.length < DEEPEST_SHOWN) path.unshift(homeOf(path[0][0]));
  let row = rows.get(tree.firstElementChild);
  const start = path.findIndex((each) => isAt(row, each));
  if (start >= 0) path.splice(0, start);
  else row = plant(path[0]);
  for (const each of path.slice(1)) {
    unfold(row);
    row = rowBelow(row, each);
  }
  showTab("tree");
  select(row);
  row.element.scrollIntoView({ block: "center", behavior: "auto" });
}

function rowBelow(row, spot) {
  const unit = unitOf(opened(spot[0]), spot[1]);
  for (let next = rowAfter(row); next && next.level > row.level; next = rowAfter(next)) {
    if (next.level !== row.level + 1) continue;
    if (isAt(next, spot)) return next;
    if (next.range && next.range.from <= unit && unit < next.range.to) {
      unfold(next);
      return rowBelow(next, spot);
    }
  }
  throw new Error("the place is not in the tree");
}

function rowAbove(row) {
  let above = rowBefore(row);
  while (above && above.level >= row.level) above = rowBefore(above);
  return above;
}

function lastRow() {
  return rows.get(tree.lastElementChild);
}

tree.addEventListener("click", (event) => {
  const row = rows.get(event.target.closest(".row"));
  if (!row || event.target.closest("button")) return;
  select(row);
  toggle(row);
});

tree.addEventListener("keydown", (event) => {
  const row = rows.get(event.target.closest(".row"));
  if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
  let to = null;
  if (event.key === "ArrowDown") to = rowAfter(row);
  else if (event.key === "ArrowUp") to = rowBefore(row);
  else if (event.key === "Home") to = rows.get(tree.firstElementChild);
  else if (event.key === "End") to = lastRow();
  else if (event.key === "ArrowRight") {
    if (row.opens && !row.isOpen) unfold(row);
    else if (row.isOpen) to = rowAfter(row);
  } else if (event.key === "ArrowLeft") {
    if (row.isOpen) fold(row);
    else to = rowAbove(row);
  } else if (event.key === "Enter" || event.key === " ") {
    if (row.follows) reveal(row.follows);
    else toggle(row);
  } else return;
  event.preventDefault();
  if (to) {
    select(to);
    to.element.scrollIntoView({ block: "nearest" });
  }
});

byId("top").addEventListener("click", () => select(plant([-1, -1])));
