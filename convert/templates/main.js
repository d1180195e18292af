// The page put together: passport, tabs, search.

const TABS = ["tree", "space", "found", "selected"];
const SHOWN_AT_ONCE = 100;
let spots = [];
let current = -1;

function showTab(name) {
  // The tree has its own column where there is room: there no other view gives way to it.
  const isWide = getComputedStyle(byId("tab-tree")).display === "none";
  if (isWide && name === "tree") return;
  for (const each of TABS) {
    byId(`tab-${each}`).setAttribute("aria-selected", String(each === name));
    byId(`tab-${each}`).tabIndex = each === name ? 0 : -1;
    byId(`view-${each}`).classList.toggle("shown", each === name);
  }
  if (name === "space") drawMap();
}

byId("tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[role=tab]");
  if (tab) showTab(tab.id.slice("tab-".length));
});

byId("tabs").addEventListener("keydown", (event) => {
  const shown = [...byId("tabs").children].filter((tab) => tab.offsetParent !== null);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const to = shown[(shown.indexOf(event.target) + step + shown.length) % shown.length];
  showTab(to.id.slice("tab-".length));
  to.focus();
});

function showPassport() {
  const { passport, signer, syntax } = head;
  const state = { blueprint: "blueprint", state: "state" }[passport.holds] ?? passport.holds;
  byId("name").textContent = escaped(passport.application);
  document.title = `${escaped(passport.application)}: ${state}`;
  const classes = new Set(shapes.map(({ title }) => title).filter((title) => title.includes(":")));
  byId("summary").append(
    element("span", "", `${state}, written ${passport.written}`),
    element("span", "", escaped(`by ${passport.writer}, Python ${passport.python}`)),
    element("span", "", signer ? `signed by ${signer.slice(0, 16)}…` : "not signed"),
    element("span", "", `${several(total, "object")} of ${several(classes.size, "class").replace("classs", "classes")}`),
    element("span", "", `${sizeText(whole[0])} before compression`),
  );
  const list = byId("passport").querySelector("dl");
  for (const [name, value] of Object.entries({ ...passport, syntax, signer })) {
    const lines = Array.isArray(value) ? value : value && typeof value === "object"
      ? Object.entries(value).map(([key, fields]) => `${key}: ${fields}`) : [value ?? "none"];
    list.append(element("dt", "", escaped(name)), element("dd", "", ...lines.map((line) => element("div", "", escaped(String(line))))));
  }
}

function brief(n) {
  const thing = opened(n);
  return thing.text === null ? escaped(thing.title.replace(":", ".")) : cut(summary(n), 80);
}

function showFound(from) {
  const list = byId("found");
  if (from === 0) list.replaceChildren();
  for (const spot of spots.slice(from, from + SHOWN_AT_ONCE)) {
    const value = valueAt(spot);
    const preview = isObject(value) ? brief(value[0]) : cut(written(value), 80);
    const index = list.children.length;
    list.append(element("li", "", button("place-found", "", () => goTo(index))));
    list.lastChild.firstChild.append(element("span", "place", placeOf(spot)), element("span", "dim", preview));
  }
  byId("more").hidden = spots.length <= list.children.length;
}

function showCount(isDone) {
  const { length } = spots;
  const many = `${numberText(length)}${length >= MOST_FOUND ? "+" : ""}`;
  byId("count").textContent = current >= 0 ? `${numberText(current + 1)} of ${many}` : isDone ? many : `${many}…`;
  byId("previous").disabled = byId("next").disabled = length === 0;
  byId("found-note").textContent = length ? `${many} ${length === 1 ? "place" : "places"}${isDone ? "" : " so far"}`
    : isDone ? "Nothing is found." : "Searching…";
}

function goTo(index) {
  while (byId("found").children.length <= index) showFound(byId("found").children.length);
  byId("found").children[current]?.classList.remove("current");
  current = index;
  byId("found").children[index].classList.add("current");
  byId("found").children[index].scrollIntoView({ block: "nearest" });
  showCount(true);
  reveal(spots[index]);
}

const showBusy = (isBusy) => byId("found").setAttribute("aria-busy", String(isBusy));

function begin(query) {
  spots = [];
  current = -1;
  showFound(0);
  cancelSearch();
  if (!query) {
    byId("count").textContent = "";
    byId("found-note").textContent = "Nothing searched yet.";
    byId("previous").disabled = byId("next").disabled = true;
    showBusy(false);
    return;
  }
  showTab("found");
  search(query, (found, isDone) => {
    spots = found;
    if (byId("found").children.length < SHOWN_AT_ONCE) showFound(byId("found").children.length);
    byId("more").hidden = spots.length <= byId("found").children.length;
    showCount(isDone);
    showBusy(!isDone);
  });
}

let waiting = 0;
let searched = "";

function beginWhatIsAsked() {
  clearTimeout(waiting);
  searched = byId("query").value.trim();
  begin(searched);
}

byId("query").addEventListener("input", () => {
  showBusy(true);
  clearTimeout(waiting);
  waiting = setTimeout(beginWhatIsAsked, 150);
});

function turn(by) {
  if (byId("query").value.trim() !== searched) beginWhatIsAsked();
  else if (spots.length) goTo((current + by + spots.length) % spots.length);
}

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  turn(1);
});
byId("previous").addEventListener("click", () => turn(current < 0 ? 0 : -1));
byId("query").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.shiftKey) {
    event.preventDefault();
    turn(current < 0 ? 0 : -1);
  }
});
byId("more").addEventListener("click", () => showFound(byId("found").children.length));

document.addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target.tagName !== "INPUT") {
    event.preventDefault();
    byId("query").focus();
  }
});

showPassport();
listeners.push(showDetails);
select(plant([-1, -1]), false);
enter([viewOf(0)], false);
showTab(getComputedStyle(byId("tab-tree")).display === "none" ? "space" : "tree");
document.documentElement.dataset.ready = "yes";
