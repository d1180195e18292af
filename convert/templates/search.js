// Search in slices, so that the page answers meanwhile.

const MOST_FOUND = 100_000;
const SLICE = 12; // milliseconds

function matcher(query) {
  const wanted = query.toLowerCase();
  const has = (text) => text.toLowerCase().includes(wanted);
  const matches = (value) => {
    if (typeof value === "string") return has(value);
    if (isObject(value) || value === null || typeof value === "boolean") return false;
    if (typeof value === "number") return String(value) === wanted;
    if (value[0] === "f" || value[0] === "i") return value[1] === wanted;
    return (value[0] === "b" || value[0] === "g") && has(value[1]);
  };
  const ofShape = shapes.map(({ title, fields }) => ({
    title: has(title) || has(title.replace(":", ".")),
    fields: fields.map(has),
  }));
  return { has, matches, ofShape };
}

function* spotsIn(n, { has, matches, ofShape }) {
  const thing = opened(n);
  const { record } = thing;
  const shape = ofShape[record[0]];
  if (shape.title || (thing.text !== null && has(thing.text))) yield homeOf(n);
  for (let slot = thing.fieldsAt; slot < thing.membersAt; slot++) {
    if (shape.fields[slot - thing.fieldsAt] || matches(record[slot])) yield [n, slot];
  }
  for (let slot = thing.membersAt; slot < thing.pairsAt; slot++) {
    if (matches(record[slot])) yield [n, slot];
  }
  for (let slot = thing.pairsAt; slot < record.length; slot += 2) {
    if (matches(record[slot]) || matches(record[slot + 1])) yield [n, slot + 1];
  }
}

let running = 0;

// Calls told(spots, isDone) after each slice, until done or until another search begins.
async function search(query, told) {
  const mine = ++running;
  const match = matcher(query);
  const found = [];
  const known = new Set();
  let pause = performance.now() + SLICE;
  for (let n = 0; n < total && found.length < MOST_FOUND; n++) {
    for (const spot of spotsIn(n, match)) {
      // The same spot may match by its class, from below, and by its field, from above.
      const name = `${spot[0]} ${spot[1]}`;
      if (!known.has(name)) {
        known.add(name);
        found.push(spot);
      }
    }
    if (performance.now() > pause) {
      told(found, false);
      await new Promise((resume) => setTimeout(resume));
      if (mine !== running) return;
      pause = performance.now() + SLICE;
    }
  }
  told(found, true);
}

function cancelSearch() {
  running++;
}
