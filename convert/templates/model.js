// The objects of the snapshot, by number. Records are parsed when they are asked for, in blocks.

const json = (script) => JSON.parse(script.textContent);
const [head] = json(document.querySelector("script.head"));
const shapes = json(document.querySelector("script.shapes")).map(
  ([title, hasText, fields, hasMembers, hasPairs]) => ({ title, hasText, fields, hasMembers, hasPairs }),
);
const blocks = [...document.querySelectorAll("script.objects")];
const total = head.counts.length;
const KEPT_BLOCKS = 300;
const kept = new Map();

// Objects met first under n have the numbers from firsts[n] to firsts[n + 1].
const firsts = new Int32Array(total + 1);
const holders = new Int32Array(total).fill(-1);
const whole = Float64Array.from(head.own);
firsts[0] = 1;
for (let n = 0; n < total; n++) {
  firsts[n + 1] = firsts[n] + head.counts[n];
  holders.fill(n, firsts[n], firsts[n + 1]);
}
for (let n = total - 1; n > 0; n--) whole[holders[n]] += whole[n];

function block(number) {
  let found = kept.get(number);
  if (found === undefined) {
    found = json(blocks[number]);
    if (kept.size >= KEPT_BLOCKS) kept.delete(kept.keys().next().value);
  } else {
    kept.delete(number);
  }
  kept.set(number, found);
  return found;
}

const recordOf = (n) => block(Math.floor(n / head.chunk))[n % head.chunk];

// An object opened: where in its record fields, members and pairs begin. A "slot" is an index there.
function opened(n) {
  const record = recordOf(n);
  const shape = shapes[record[0]];
  let at = 1;
  let text = null;
  let length = 0;
  if (shape.hasText) [, text, length] = record, (at = 3);
  const fieldsAt = at;
  at += shape.fields.length;
  const left = record.length - at;
  let members = 0;
  if (shape.hasMembers && shape.hasPairs) members = record[at++];
  else if (shape.hasMembers) members = left;
  const pairsAt = at + members;
  const pairs = (record.length - pairsAt) / 2;
  return {
    n, record, title: shape.title, text, length, fields: shape.fields,
    fieldsAt, membersAt: at, members, pairsAt, pairs, units: members + pairs,
  };
}

const isLeaf = (thing) => thing.fields.length + thing.units === 0;
const unitSlot = (thing, unit) =>
  unit < thing.members ? thing.membersAt + unit : thing.pairsAt + 2 * (unit - thing.members) + 1;

function unitOf(thing, slot) {
  if (slot < thing.membersAt) return -1;
  return slot < thing.pairsAt ? slot - thing.membersAt
    : thing.members + Math.floor((slot - thing.pairsAt) / 2);
}

// The slots of one unit: a key that is an object has a row of its own.
function slotsOfUnit(thing, unit) {
  const slot = unitSlot(thing, unit);
  return unit >= thing.members && isObject(thing.record[slot - 1]) ? [slot - 1, slot] : [slot];
}

const manySlots = new Map();

function slotOf(holder, n) {
  const { record } = opened(holder);
  if (record.length < 100) return record.findIndex((value) => isObject(value) && value[0] === n);
  let slots = manySlots.get(holder);
  if (slots === undefined) {
    slots = new Int32Array(firsts[holder + 1] - firsts[holder]);
    for (let slot = record.length - 1; slot > 0; slot--) {
      const value = record[slot];
      if (isObject(value) && holders[value[0]] === holder) slots[value[0] - firsts[holder]] = slot;
    }
    if (manySlots.size > 50) manySlots.clear();
    manySlots.set(holder, slots);
  }
  return slots[n - firsts[holder]];
}

// A spot is a holder and a slot in it; the root's is [-1, -1].
const homeOf = (n) => (n === 0 ? [-1, -1] : [holders[n], slotOf(holders[n], n)]);
const valueAt = ([holder, slot]) => (holder < 0 ? [0] : recordOf(holder)[slot]);
const isHome = ([holder, slot], n) => holders[n] === holder && (holder < 0 || slotOf(holder, n) === slot);

const SET_LIKE = new Set(["set", "frozenset"]);

function stepAt(holder, slot) {
  const thing = opened(holder);
  if (slot < thing.membersAt) return { field: thing.fields[slot - thing.fieldsAt] };
  if (slot < thing.pairsAt) {
    const number = String(slot - thing.membersAt);
    return SET_LIKE.has(thing.title) ? { member: number } : { item: number };
  }
  const isKey = (slot - thing.pairsAt) % 2 === 0;
  const key = keyText(thing.record[isKey ? slot : slot - 1]);
  return isKey ? { key } : { item: key };
}

const PLAIN = /^[\p{L}_][^[\]'"\s]*$/u;
const IDENTIFIER = /^[\p{L}_][\p{L}\p{Mn}\p{Nd}_]*$/u;

const LONGEST_KEY = 200;
const MOST_PARTS = 10;

function keyText(key) {
  if (typeof key === "string") return PLAIN.test(key) ? escaped(key) : quoted(key);
  if (isObject(key)) return summary(key[0]);
  return key !== null && key[0] === "g" ? `<${written(key)}>` : written(key);
}

// An object in a few words, for keys and previews.
function summary(n) {
  const thing = opened(n);
  if (thing.title === "str") {
    return thing.length > LONGEST_KEY ? `${quoted(thing.text.slice(0, LONGEST_KEY))}...` : keyText(thing.text);
  }
  if (thing.text !== null) return escaped(cut(thing.text, LONGEST_KEY));
  if (thing.title === "tuple") {
    const parts = thing.record.slice(thing.membersAt, thing.membersAt + MOST_PARTS);
    const shown = parts.map((part) => (isObject(part) && opened(part[0]).title === "tuple" ? "(...)" : keyText(part)));
    return `(${shown.join(", ")}${thing.members > MOST_PARTS ? ", ..." : ""})`;
  }
  return thing.title.includes(":") ? `<instance of ${escaped(thing.title)}>` : escaped(thing.title);
}

const MOST_STEPS = 60;

// As `persist.place` shows it.
function placeOf([holder, slot]) {
  const steps = [];
  while (holder >= 0 && steps.length < MOST_STEPS) {
    steps.push(stepAt(holder, slot));
    [holder, slot] = homeOf(holder);
  }
  steps.reverse();
  let text = holder < 0 ? "application" : "…";
  steps.forEach((step, index) => {
    const following = steps[index + 1];
    if (step.item !== undefined) text += `[${step.item}]`;
    else if (step.member !== undefined) text += `{${step.member}}`;
    else if (step.key !== undefined) text += `[key ${step.key}]`;
    else if (!IDENTIFIER.test(step.field)) text += `[${quoted(step.field)}]`;
    else if (!(step.field.startsWith("_") && following?.item !== undefined)) text += `.${step.field}`;
  });
  return text;
}

let referrers = null;

// Who holds n, besides its home: numbers of holders, in their order.
function referrersOf(n) {
  if (referrers === null) {
    const { again } = head;
    const starts = new Int32Array(total + 1);
    for (let at = 0; at < again.length; at += 2) starts[again[at] + 1]++;
    for (let each = 0; each < total; each++) starts[each + 1] += starts[each];
    const list = new Int32Array(again.length / 2);
    const ends = starts.slice();
    for (let at = 0; at < again.length; at += 2) list[ends[again[at]]++] = again[at + 1];
    referrers = { starts, list };
  }
  return referrers.list.subarray(referrers.starts[n], referrers.starts[n + 1]);
}

// In how many places n is; that the root is the root is none.
const placesCount = (n) => referrersOf(n).length + (n > 0 ? 1 : 0);

// The spots of the first holders that refer to n.
function spotsOf(n, most) {
  const [homeHolder, homeSlot] = homeOf(n);
  const spots = [];
  for (const holder of new Set(referrersOf(n))) {
    recordOf(holder).forEach((value, slot) => {
      if (isObject(value) && value[0] === n && !(holder === homeHolder && slot === homeSlot)) {
        spots.push([holder, slot]);
      }
    });
    if (spots.length >= most) break;
  }
  return spots.slice(0, most);
}
