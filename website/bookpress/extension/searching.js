// The texts of all pages, which replace requests for the pages.
window.fetch = async (address) => new Response(texts[address.replace(/^\.\/|\.html$/g, "")]);

let typed = []; // the words of the query

// A term's glossary entry and the sections that explain it come first; the theme shows results from the last to the first.
{
  const plain = (words) => words.toLowerCase().replace(/[-\s]+/g, " ").trim().replace(/s$/, "");
  const search = Search._performSearch;
  Search._performSearch = (query, ...others) => {
    typed = [...others[2]].map((word) => word.replace(/s$/, "")).filter(Boolean);
    const known = terms.filter(({ names }) => names.some((name) => plain(name) === plain(query)));
    const first = known.flatMap(({ places }) => places.map(([page, title, anchor]) => [page, title, anchor, null, 100, page]));
    const isFirst = ([page, , anchor]) => first.some(([samePage, , sameAnchor]) => page === samePage && anchor === sameAnchor);
    return [...search(query, ...others).filter((result) => !isFirst(result)), ...first.reverse()];
  };
}

// A result quotes prose with the words of the query, or code if no prose has them. A quotation starts with a sentence or a word.
{
  const BEFORE = 120, LENGTH = 240;
  const starts = (text, words) => {
    const any = words.join("|"); // letters, digits and _ only: the theme has split the query
    return [...text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}_])(?:${any})`, "gu"))].map(({ index }) => index);
  };
  const quote = (text, words) => {
    const lower = text.toLowerCase();
    const nearby = (place) => words.filter((word) => lower.slice(place, place + LENGTH - BEFORE).includes(word)).length;
    const places = starts(lower, words);
    const place = places.reduce((best, one) => (nearby(one) > nearby(best) ? one : best), places[0] ?? lower.indexOf(words[0]));
    const from = Math.max(place - BEFORE, 0);
    const before = text.slice(from, Math.max(place, 0));
    const sentence = [...before.matchAll(/\n|[.?!] /g)].at(-1);
    const word = from ? before.search(/\s/) : -1;
    const begin = from + (sentence ? sentence.index + sentence[0].length : word + 1);
    const rest = text.slice(begin);
    const shown = rest.length > LENGTH ? rest.slice(0, LENGTH).replace(/\s+\S*$/, "") : rest;
    return (begin ? "... " : "") + shown.replace(/\s+/g, " ").trim() + (shown === rest ? "" : " ...");
  };
  Search.makeSearchSummary = (html, stems, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    const part = (anchor && page.getElementById(anchor.slice(1))) || page.querySelector('[role="main"]');
    const all = part.textContent;
    part.querySelectorAll("pre").forEach((code) => code.remove());
    const has = (text) => typed.some((word) => text.toLowerCase().includes(word));
    const summary = document.createElement("p");
    summary.className = "context";
    summary.textContent = quote(!has(part.textContent) && has(all) ? all : part.textContent, typed);
    return summary;
  };
}
