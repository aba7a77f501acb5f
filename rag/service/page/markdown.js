// Markdown as elements. Nothing is parsed as HTML: markup that is not Markdown is shown as it stands, pictures are not
// loaded, and links go to the web or to mail only. Every text comes through `leaf(start, end)`, a part of the source.

import { h } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*[\w+#.-]*[ \t]*$/; // and at most the name of a language
const HEADING = /^ {0,3}#{1,6}[ \t]+(?=\S)/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])[ \t]+(?=\S)/;
const DIVIDER = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const INLINE = /`|\*\*?|__?|~~|!?\[|\\|https?:\/\//g;
const LINK = /!?\[([^[\]\n]{1,500})\]\(([^\s()]{1,2000})\)/y;
const ADDRESS = /https?:\/\/[^\s<>"'`]{1,2000}/y;
const TAGS = { "**": "strong", __: "strong", "*": "em", _: "em", "~~": "s" };
const MAX_DEPTH = 12;

/** Whether a text has anything that would be shown otherwise than it stands. */
export const hasMarkup = (text) =>
  /(^|\n) {0,3}(#{1,6}[ \t]|[-*+][ \t]|\d{1,9}[.)][ \t]|>|```|~~~)|\*\S|\b_\S|`|~~|\]\(|https?:\/\/|\|[ \t]*:?-+/.test(text);

/** The blocks of a text. `leaf(start, end)` gives the nodes that show that part of it. */
export function renderMarkdown(text, leaf) {
  return new Renderer(text, leaf).blocks(linesOf(text), 0);
}

/** `[start, end]` of each line. */
function linesOf(text) {
  let start = 0;
  return text.split("\n").map((line) => {
    const range = [start, start + line.length];
    start += line.length + 1;
    return range;
  });
}

class Renderer {
  constructor(text, leaf) {
    this.text = text;
    this.leaf = leaf;
  }

  line([start, end]) {
    return this.text.slice(start, end);
  }

  isBlank(range) {
    return !this.line(range).trim();
  }

  /** Elements of a run of lines, each `[start, end]` behind the marks of what it stands in. */
  blocks(lines, depth) {
    const blocks = [];
    for (let i = 0; i < lines.length;) {
      if (this.isBlank(lines[i])) {
        i += 1;
        continue;
      }
      const [element, next] = this.block(lines, i, depth);
      blocks.push(element);
      i = next;
    }
    return blocks;
  }

  /** The block that begins at a line, and the line behind it. */
  block(lines, i, depth) {
    const line = this.line(lines[i]);
    if (FENCE.test(line)) return this.code(lines, i);
    if (HEADING.test(line)) return [h("h2", {}, ...this.heading(lines[i])), i + 1];
    if (RULE.test(line)) return [h("hr"), i + 1];
    if (depth < MAX_DEPTH && QUOTE.test(line)) return this.quote(lines, i, depth);
    if (depth < MAX_DEPTH && ITEM.test(line)) return this.list(lines, i, depth);
    if (this.isTable(lines, i)) return this.table(lines, i);
    return this.paragraph(lines, i, depth);
  }

  heading([start, end]) {
    const line = this.line([start, end]);
    const closing = line.match(/[ \t]+#*[ \t]*$/)?.[0].length ?? 0;
    return this.inline(start + line.match(HEADING)[0].length, end - closing);
  }

  code(lines, i) {
    const mark = this.line(lines[i]).match(FENCE)[1];
    const isEnd = (range) => this.line(range).trim().startsWith(mark) && !this.line(range).trim().replaceAll(mark[0], "");
    let end = i + 1;
    while (end < lines.length && !isEnd(lines[end])) end += 1;
    const inside = lines.slice(i + 1, end).flatMap((range) => [...this.leaf(...range), "\n"]);
    return [h("pre", { tabIndex: 0 }, h("code", {}, ...inside)), end + 1];
  }

  quote(lines, i, depth) {
    const inside = [];
    for (; i < lines.length && QUOTE.test(this.line(lines[i])); i += 1) {
      const [start, end] = lines[i];
      inside.push([start + this.line(lines[i]).match(QUOTE)[0].length, end]);
    }
    return [h("blockquote", {}, ...this.blocks(inside, depth + 1)), i];
  }

  list(lines, i, depth) {
    const [, indent, bullet] = this.line(lines[i]).match(ITEM);
    const isOrdered = /\d/.test(bullet);
    const list = h(isOrdered ? "ol" : "ul", isOrdered ? { start: parseInt(bullet, 10) } : {});
    while (i < lines.length) {
      const match = this.line(lines[i]).match(ITEM);
      if (!match || match[1].length > indent.length + 1 || /\d/.test(match[2]) !== isOrdered) break;
      const [inside, next] = this.item(lines, i, match);
      const blocks = this.blocks(inside, depth + 1);
      // A list of lines is tight: the text of an item needs no paragraph of its own.
      list.append(h("li", {}, ...(blocks[0]?.tagName === "P" ? [...blocks[0].childNodes, ...blocks.slice(1)] : blocks)));
      i = next;
    }
    return [list, i];
  }

  /** The lines of one item without its mark and indent, and the line behind it. */
  item(lines, i, match) {
    const width = match[0].length;
    const inside = [[lines[i][0] + width, lines[i][1]]];
    for (i += 1; i < lines.length; i += 1) {
      const line = this.line(lines[i]);
      const indent = line.length - line.trimStart().length;
      if (this.isBlank(lines[i])) {
        const next = lines.slice(i).find((range) => !this.isBlank(range));
        const isOver = !next || this.line(next).search(/\S/) < 2 + match[1].length;
        if (isOver) break;
      } else if (indent < 2 + match[1].length && (ITEM.test(line) || this.isBlockStart(line))) break;
      inside.push([lines[i][0] + Math.min(indent, width), lines[i][1]]);
    }
    while (i < lines.length && this.isBlank(lines[i])) i += 1;
    return [inside, i];
  }

  isBlockStart(line) {
    return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line);
  }

  isTable(lines, i) {
    const [head, divider] = [lines[i], lines[i + 1]].map((range) => (range ? this.line(range) : ""));
    return head.includes("|") && divider.includes("|") && DIVIDER.test(divider);
  }

  table(lines, i) {
    const row = (range, cell) => h("tr", {}, ...this.cells(range).map(([start, end]) => h(cell, {}, ...this.inline(start, end))));
    const body = h("tbody");
    const head = h("thead", {}, row(lines[i], "th"));
    for (i += 2; i < lines.length && this.line(lines[i]).includes("|"); i += 1) body.append(row(lines[i], "td"));
    return [h("div", { className: "table", tabIndex: 0, role: "group", "aria-label": "Table" }, h("table", {}, head, body)), i];
  }

  /** `[start, end]` of each cell of a row. */
  cells([start, end]) {
    const line = this.line([start, end]);
    const edges = [...line.matchAll(/(?<!\\)\|/g)].map((match) => match.index);
    if (line.trimStart()[0] !== "|") edges.unshift(-1);
    if (!line.trimEnd().endsWith("|")) edges.push(line.length);
    return edges.slice(0, -1).map((edge, n) => {
      const cell = line.slice(edge + 1, edges[n + 1]);
      const from = start + edge + 1 + (cell.length - cell.trimStart().length);
      return [from, from + cell.trim().length];
    });
  }

  paragraph(lines, i, depth) {
    const nodes = [];
    const first = i;
    for (; i < lines.length && !this.isBlank(lines[i]); i += 1) {
      const line = this.line(lines[i]);
      if (i > first && (this.isBlockStart(line) || (depth < MAX_DEPTH && ITEM.test(line)) || this.isTable(lines, i))) break;
      if (i > first) nodes.push("\n");
      const [start, end] = lines[i];
      nodes.push(...this.inline(start + line.length - line.trimStart().length, end));
    }
    return [h("p", {}, ...nodes), i];
  }

  /** Nodes of a part of a line. */
  inline(start, end, depth = 0) {
    const nodes = [];
    let plain = start;
    let i = start;
    const flush = (to) => {
      if (to > plain) nodes.push(...this.leaf(plain, to));
    };
    while (i < end) {
      INLINE.lastIndex = i;
      const match = INLINE.exec(this.text);
      if (!match || match.index >= end) break;
      i = match.index;
      const span = this.span(match[0], i, end, depth);
      if (!span) {
        i += match[0].length;
        continue;
      }
      flush(i);
      nodes.push(...span.nodes);
      i = plain = span.end;
    }
    flush(end);
    return nodes;
  }

  /** What a mark at `i` begins, and where that ends; nothing if the mark stands for itself. */
  span(mark, i, end, depth) {
    if (mark === "\\") return /[!-/:-@[-`{-~]/.test(this.text[i + 1] ?? "") && i + 1 < end ? { nodes: this.leaf(i + 1, i + 2), end: i + 2 } : null;
    if (mark === "`") return this.codeSpan(i, end);
    if (mark.endsWith("[")) return this.link(i, end, depth);
    if (mark.startsWith("http")) return this.address(i, end);
    return depth < MAX_DEPTH ? this.emphasis(mark, i, end, depth) : null;
  }

  codeSpan(i, end) {
    const ticks = this.text.slice(i, end).match(/^`+/)[0];
    const from = i + ticks.length;
    const to = this.text.indexOf(ticks, from);
    if (to <= from || to + ticks.length > end) return null;
    return { nodes: [h("code", {}, ...this.leaf(from, to))], end: to + ticks.length };
  }

  link(i, end, depth) {
    LINK.lastIndex = i;
    const match = LINK.exec(this.text);
    const url = match && i + match[0].length <= end ? safeAddress(match[2]) : null;
    if (!url) return null;
    const from = i + match[0].indexOf("[") + 1;
    return { nodes: [anchor(url, this.inline(from, from + match[1].length, MAX_DEPTH))], end: i + match[0].length };
  }

  address(i, end) {
    ADDRESS.lastIndex = i;
    const match = ADDRESS.exec(this.text.slice(0, end));
    const to = match ? i + match[0].replace(/[.,;:!?)\]*_]+$/, "").length : i;
    const url = safeAddress(this.text.slice(i, to));
    return url && { nodes: [anchor(url, this.leaf(i, to))], end: to };
  }

  emphasis(mark, i, end, depth) {
    const from = i + mark.length;
    const isWord = (at) => /[\p{L}\p{N}]/u.test(this.text[at] ?? "");
    if (from >= end || /\s/.test(this.text[from]) || (mark[0] === "_" && isWord(i - 1))) return null;
    for (let to = this.text.indexOf(mark, from + 1); to >= 0 && to + mark.length <= end; to = this.text.indexOf(mark, to + mark.length)) {
      const isInWord = mark[0] === "_" && isWord(to + mark.length);
      const isOther = mark.length === 1 && (this.text[to + 1] === mark || this.text[to - 1] === mark);
      if (/\s/.test(this.text[to - 1]) || isInWord || isOther) continue;
      return { nodes: [h(TAGS[mark], {}, ...this.inline(from, to, depth + 1))], end: to + mark.length };
    }
    return null;
  }
}

/** The address, if it leads to the web or to mail. */
function safeAddress(text) {
  try {
    const url = new URL(text);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

const anchor = (url, nodes) => h("a", { href: url, title: url, target: "_blank", rel: "noopener noreferrer nofollow" }, ...nodes);
