// The selected place in full, and who refers to what is there.

const MOST_REFERRERS = 200;

function showDetails(spot) {
  const parts = [element("p", "place", placeOf(spot))];
  const facts = element("dl", "facts");
  const fact = (name, value) => facts.append(element("dt", "", name), element("dd", "", value));
  const value = valueAt(spot);
  if (!isObject(value)) {
    fact("kind", kindOf(value) === "hidden" ? "declared secret" : kindOf(value));
    parts.push(facts, element("pre", "", written(value)));
    byId("selected").replaceChildren(...parts);
    return;
  }
  const n = value[0];
  const thing = opened(n);
  fact("class", titleOf(thing.title));
  if (thing.text !== null && thing.length > 100) fact("length", lengthOf(thing));
  fact("size", `${sizeText(whole[n])}, ${share(whole[n])} of all`);
  if (!isLeaf(thing)) fact("by itself", sizeText(head.own[n]));
  parts.push(facts);
  if (thing.text !== null) {
    parts.push(element("pre", "", thing.title === "str" ? quoted(thing.text) : escaped(thing.text)));
    const isCut = (thing.title === "str" && thing.length > thing.text.length)
      || (thing.title !== "str" && thing.length > 500 && lengthOf(thing).includes("byte"));
    if (isCut) parts.push(element("p", "note", "Shortened; the snapshot has all of it."));
  }
  parts.push(...referencesTo(n, spot));
  byId("selected").replaceChildren(...parts);
}

function referencesTo(n, spot) {
  const count = referrersOf(n).length;
  if (!count) return [];
  const list = element("ol", "places");
  const spots = spotsOf(n, MOST_REFERRERS);
  if (n > 0) spots.unshift(homeOf(n));
  for (const each of spots) {
    const isHere = each[0] === spot[0] && each[1] === spot[1];
    const place = isHere ? element("span", "place", placeOf(each)) : button("link", placeOf(each), () => reveal(each));
    list.append(element("li", "", place, isHere ? element("span", "kind", "this one") : ""));
  }
  const parts = [element("h2", "", `Referred to by ${several(placesCount(n), "place")}`), list];
  if (count > MOST_REFERRERS) parts.push(element("p", "note", `The first ${MOST_REFERRERS} are shown.`));
  return parts;
}
