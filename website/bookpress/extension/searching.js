// The texts of all pages, which replace requests for the pages.
window.fetch = async (address) => new Response(texts[address.replace(/^\.\/|\.html$/g, "")]);

// A term's glossary entry and the sections that explain it come first; the theme shows results from the last to the first.
{
  const plain = (words) => words.toLowerCase().replace(/[-\s]+/g, " ").trim().replace(/s$/, "");
  const search = Search._performSearch;
  Search._performSearch = (query, ...others) => {
    const known = terms.filter(({ names }) => names.some((name) => plain(name) === plain(query)));
    const first = known.flatMap(({ places }) => places.map(([page, title, anchor]) => [page, title, anchor, null, 100, page]));
    const isFirst = ([page, , anchor]) => first.some(([samePage, , sameAnchor]) => page === samePage && anchor === sameAnchor);
    return [...search(query, ...others).filter((result) => !isFirst(result)), ...first.reverse()];
  };
}
