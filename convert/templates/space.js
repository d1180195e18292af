// What takes the space: a squarified treemap (Bruls, Huizing, van Wijk, 2000) of what is met first where.

const map = byId("map");
const crumbs = byId("crumbs");
const told = byId("told");
const MOST_TILES = 80;
const SMALLEST_SHARE = 0.003;
const NEARLY_ALL = 0.95;
const RANGES = 24;
const COLOURS = 8;
let path = []; // views, from the application down

// A view is an object, or a part of its children that are too many or too small for tiles of their own.
const viewOf = (n) => ({ n, children: null, label: "", size: whole[n], title: opened(n).title });

const childrenOf = (view) => view.children ?? range(firsts[view.n], firsts[view.n + 1]);

function range(from, to) {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

function shortLabel(n) {
  if (n === 0) return "application";
  const [holder, slot] = homeOf(n);
  const step = stepAt(holder, slot);
  return step.field !== undefined ? escaped(step.field)
    : step.key !== undefined ? `key ${step.key}`
    : `[${step.item ?? step.member}]`;
}

function tilesOf(view) {
  const children = childrenOf(view).sort((a, b) => whole[b] - whole[a]);
  const least = view.size * SMALLEST_SHARE;
  const isSplit = view.children && children.length > MOST_TILES && whole[children[MOST_TILES]] * 2 > whole[children[0]];
  if (isSplit) return split(view, children.sort((a, b) => a - b));
  const tiles = [];
  const others = new Map();
  children.forEach((n, index) => {
    if (index < MOST_TILES && (whole[n] >= least || view.children)) {
      tiles.push({ ...viewOf(n), label: shortLabel(n) });
      return;
    }
    const { title } = opened(n);
    const group = others.get(title) ?? { n: view.n, children: [], size: 0, title };
    group.children.push(n);
    group.size += whole[n];
    others.set(title, group);
  });
  for (const group of others.values()) {
    if (group.children.length === 1) tiles.push({ ...viewOf(group.children[0]), label: shortLabel(group.children[0]) });
    else tiles.push({ ...group, label: `${numberText(group.children.length)} × ${nameOf(group.title)}` });
  }
  if (!view.children && head.own[view.n] > 0 && children.length) {
    tiles.push({ n: view.n, isOwn: true, size: head.own[view.n], title: "", label: "small values" });
  }
  return tiles.sort((a, b) => b.size - a.size);
}

const nameOf = (title) => escaped(title.includes(":") ? title.split(/:(.*)/s)[1] : title);

function split(view, children) {
  const length = Math.ceil(children.length / RANGES);
  const tiles = [];
  for (let from = 0; from < children.length; from += length) {
    const part = children.slice(from, from + length);
    const label = part.length === 1 ? shortLabel(part[0]) : `${shortLabel(part[0])} … ${shortLabel(part.at(-1))}`;
    if (part.length === 1) tiles.push({ ...viewOf(part[0]), label });
    else {
      const size = part.reduce((sum, n) => sum + whole[n], 0);
      tiles.push({ n: view.n, children: part, size, title: view.title, label });
    }
  }
  return tiles;
}

// Rectangles for sizes that fall: rows along the shorter side, each as square as it gets.
function squarified(sizes, x, y, width, height) {
  const places = [];
  const scale = (width * height) / sizes.reduce((sum, size) => sum + size, 0);
  const areas = sizes.map((size) => size * scale);
  let at = 0;
  while (at < areas.length) {
    const side = Math.min(width, height);
    let sum = 0;
    let end = at;
    let worst = Infinity;
    while (end < areas.length) {
      const next = sum + areas[end];
      const ratio = Math.max((side * side * areas[at]) / (next * next), (next * next) / (side * side * areas[end]));
      if (ratio > worst) break;
      worst = ratio;
      sum = next;
      end++;
    }
    const thick = side > 0 ? sum / side : 0;
    let along = 0;
    for (; at < end; at++) {
      const long = sum > 0 ? (areas[at] / sum) * side : 0;
      places.push(width >= height ? [x, y + along, thick, long] : [x + along, y, long, thick]);
      along += long;
    }
    if (width >= height) [x, width] = [x + thick, width - thick];
    else [y, height] = [y + thick, height - thick];
  }
  return places;
}

function colourOf(title) {
  let sum = 0;
  for (const letter of title) sum = (sum * 31 + letter.codePointAt(0)) % 65521;
  return sum % COLOURS;
}

function share(size) {
  const percent = (100 * size) / (whole[0] || 1);
  return percent < 0.05 ? "less than 0.1%" : `${percent.toFixed(1)}%`;
}

function tell(view) {
  const place = view.isOwn || view.children ? `${placeOf(homeOf(view.n))}, ${view.label}` : placeOf(homeOf(view.n));
  const title = view.title ? ` ${view.title.replace(":", ".")},` : "";
  told.textContent = `${place}:${escaped(title)} ${sizeText(view.size)}, ${share(view.size)} of all`;
}

const opensFurther = (view) => !view.isOwn && (view.children !== null && view.children !== undefined || firsts[view.n + 1] > firsts[view.n]);

function setPlace(tile, [x, y, width, height]) {
  tile.style.left = `${x}px`;
  tile.style.top = `${y}px`;
  tile.style.width = `${Math.max(width - 2, 1)}px`;
  tile.style.height = `${Math.max(height - 2, 1)}px`;
}

function drawMap() {
  if (!path.length) return;
  // First, since the crumbs may take a line more from the map.
  drawCrumbs();
  const width = map.clientWidth;
  const height = map.clientHeight;
  if (!width) return;
  const tiles = tilesOf(path.at(-1)).filter((tile) => tile.size > 0);
  if (!tiles.length) tiles.push({ ...path.at(-1), isOwn: true, label: "nothing further" });
  const places = squarified(tiles.map((tile) => tile.size), 0, 0, width, height);
  map.replaceChildren(...tiles.map((tile, index) => drawTile(tile, places[index])));
}

function drawTile(tile, place) {
  const [, , width, height] = place;
  const made = button(`tile c${tile.isOwn ? "own" : colourOf(tile.title)}`, "", () => {
    if (opensFurther(tile)) enter([...path, ...throughFrom(tile)], true);
    else reveal(homeOf(tile.n));
  });
  setPlace(made, place);
  made.setAttribute("aria-label", `${tile.label} ${nameOf(tile.title ?? "")} ${sizeText(tile.size)}`);
  if (width > 44 && height > 22) {
    made.append(element("b", "", tile.label), element("span", "", sizeText(tile.size)));
    if (!tile.isOwn && !tile.children && width > 110 && height > 60) made.append(element("small", "", nameOf(tile.title)));
  }
  made.addEventListener("pointerenter", () => tell(tile));
  made.addEventListener("focus", () => tell(tile));
  if (width > 150 && height > 120 && opensFurther(tile)) drawInner(made, tile, width, height);
  return made;
}

// What has hardly more in it than one other thing is passed through, like `_components` in a registry.
function throughFrom(view) {
  const views = [view];
  for (;;) {
    const [greatest] = tilesOf(views.at(-1));
    if (!greatest || !opensFurther(greatest) || greatest.size < NEARLY_ALL * views.at(-1).size || views.length > 20) return views;
    views.push(greatest);
  }
}

// A look at what is inside, before anybody enters.
function drawInner(made, tile, width, height) {
  const inner = tilesOf(throughFrom(tile).at(-1)).filter(({ size }) => size > 0).slice(0, 40);
  const top = 64;
  if (inner.length < 2) return;
  const places = squarified(inner.map(({ size }) => size), 4, top, width - 10, height - top - 6);
  inner.forEach((each, index) => {
    const [, , wide, high] = places[index];
    const piece = element("i", "piece", wide > 60 && high > 20 ? each.label : "");
    setPlace(piece, places[index]);
    made.append(piece);
  });
}

function drawCrumbs() {
  const parts = [];
  path.forEach((view, index) => {
    if (index) parts.push(element("span", "dim", " › "));
    const label = view.label || shortLabel(view.n);
    if (index < path.length - 1) parts.push(button("link", cut(label, 40), () => enter(path.slice(0, index + 1), true)));
    else {
      const here = element("span", "here", cut(label, 40));
      here.setAttribute("aria-current", "location");
      parts.push(here);
    }
  });
  const view = path.at(-1);
  parts.push(" ", button("link", "show in the tree", () => reveal(homeOf(view.n))));
  crumbs.replaceChildren(...parts);
}

function enter(views, isFocused) {
  path = views;
  drawMap();
  tell(path.at(-1));
  if (isFocused) map.querySelector("button")?.focus();
}

new ResizeObserver(() => drawMap()).observe(map);
