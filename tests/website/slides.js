() => {
  const all = (selector, within) => [...within.querySelectorAll(selector)];
  const size = (selector, slide) => all(selector, slide).map((one) => parseFloat(getComputedStyle(one).fontSize));
  const bounded = ":is(h1, h2, .takeaway, .room .points, .data, .printed, .highlight, .formula, .fit > table, .ab-widget, .fit > img, .map)";

  const beyond = (slide) => (one) => {
    const outer = (one.closest(".room") ?? slide).getBoundingClientRect();
    const box = one.getBoundingClientRect();
    return box.left < outer.left - 3 || box.right > outer.right + 3 || box.top < outer.top - 3 || box.bottom > outer.bottom + 3;
  };

  const seen = (slide) => ({
    headline: slide.querySelector("h1, h2").textContent,
    place: slide.closest("section").dataset.place,
    empty: !slide.querySelector(".fit").textContent.trim() && !slide.querySelector(".fit :is(img, svg)"),
    outside: all(bounded, slide).filter(beyond(slide)).map((one) => one.className || one.localName),
    high: slide.scrollHeight,
    wide: slide.scrollWidth,
    sizes: {
      points: size(".room .points > *, .room .points li", slide),
      takeaway: size(".takeaway", slide),
      headline: size("h1, h2", slide),
      table: size(".fit > table", slide),
      code: size("pre, .data", slide),
    },
    widget: all(".ab-widget", slide).map((one) => new DOMMatrix(getComputedStyle(one).transform).a),
    dead: all(".ab-widget", slide).filter((one) => one.dataset.state !== "live").length,
    blank: all("img", slide).filter((one) => !one.naturalWidth).length,
  });

  return all(".slide", document).map(seen);
}
