// The lines of a graph, drawn behind its lists, wherever those come to stand.

const SVG = "http://www.w3.org/2000/svg";

/** Draw `{from, to, kind, weight}` between the elements that `nodes` has for their ends; follows the size of `box`. */
export function drawLinks(box, nodes, lines) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  box.prepend(svg);
  const paths = lines.filter(({ from, to }) => nodes.has(from) && nodes.has(to)).map((line) => {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", line.kind);
    path.setAttribute("stroke-width", Math.min(1 + Math.log2(line.weight), 4).toFixed(1));
    svg.append(path);
    return { ...line, path };
  });
  new ResizeObserver(() => redraw(box, svg, nodes, paths)).observe(box);
  for (const [key, node] of nodes) {
    const light = (isLit) => paths.forEach((one) => one.path.classList.toggle("is-lit", isLit && (one.from === key || one.to === key)));
    node.addEventListener("pointerenter", () => light(true));
    node.addEventListener("focus", () => light(true));
    node.addEventListener("pointerleave", () => light(false));
    node.addEventListener("blur", () => light(false));
  }
}

function redraw(box, svg, nodes, paths) {
  const frame = box.getBoundingClientRect();
  svg.setAttribute("viewBox", `0 0 ${frame.width} ${frame.height}`);
  for (const { from, to, kind, path } of paths) {
    const [a, b] = [nodes.get(from), nodes.get(to)].map((node) => node.getBoundingClientRect());
    const [y1, y2] = [a, b].map((one) => one.top + one.height / 2 - frame.top);
    path.setAttribute("d", kind === "naming" ? across(a.right - frame.left, y1, b.left - frame.left, y2) : arc(a, b, y1, y2, frame));
  }
}

/** From the right of a document to the left of a name. */
function across(x1, y1, x2, y2) {
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}

/** From the right of a name, around, to the right of another one. */
function arc(a, b, y1, y2, frame) {
  const [x1, x2] = [a.right - frame.left, b.right - frame.left];
  const out = Math.min(Math.max(x1, x2) + 24 + Math.abs(y2 - y1) / 6, frame.width - 4);
  return `M${x1} ${y1}C${out} ${y1} ${out} ${y2} ${x2} ${y2}`;
}
