// Which sentence of which passage an answer's sentence rests on: the one that shares most of its words.

// Below this share of its words, a sentence has no source that could be shown.
const MIN_SHARE = 0.5;
const WORD = /[\p{L}\p{N}]+/gu;
const STOP = new Set("a an and are as at be by for from in is it of on or that the this to was were which who with".split(" "));

/** `[start, end]` of every sentence in a text. */
export function sentences(text) {
  const found = [];
  const pattern = /[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+|\n|$)/g;
  for (const match of text.matchAll(pattern)) {
    const trimmed = match[0].trim();
    if (trimmed) {
      const start = match.index + match[0].indexOf(trimmed);
      found.push([start, start + trimmed.length]);
    }
  }
  return found;
}

/** For each sentence of the answer that has a source: `{end, number, sentence}`; `number` counts citations from 1. */
export function findSources(answer, citations) {
  const passages = citations.map((one) => sentences(one.passage).map(([start, end]) => one.passage.slice(start, end)));
  const found = [];
  for (const [start, end] of sentences(answer)) {
    const wanted = words(answer.slice(start, end));
    const best = { share: 0 };
    passages.forEach((all, index) => all.forEach((sentence) => {
      const share = overlap(wanted, words(sentence));
      if (share > best.share) Object.assign(best, { share, number: index + 1, sentence });
    }));
    if (best.share >= MIN_SHARE) found.push({ end, number: best.number, sentence: best.sentence });
  }
  return found;
}

function words(text) {
  const all = (text.toLowerCase().match(WORD) ?? []);
  const telling = all.filter((word) => !STOP.has(word));
  return new Set(telling.length ? telling : all);
}

const overlap = (wanted, there) => [...wanted].filter((word) => there.has(word)).length / Math.max(wanted.size, 1);
