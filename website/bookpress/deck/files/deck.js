// Starts the slides: formulas set, everything fitted, then reveal.js; keys that reveal.js would not leave to widgets, and the
// speaker's window.
{
  const LARGEST = 2.4; // how much a widget is enlarged at most
  const SMALLEST = 16; // pixels, of code and tables of numbers that are too wide or too long for more
  const WIDTHS = [1168, 1000, 860, 740, 640, 560, 490, 430, 380, 340]; // that a widget is tried at, in pixels
  const UNSHOWN = ".ab-hint, .ab-title, .ab-toolbar { display: none !important; }"; // what a reader needs, and no audience
  const deck = document.querySelector(".reveal");
  const all = (selector, within = deck) => [...within.querySelectorAll(selector)];
  const inWidget = (event) => event.composedPath().some((node) => node.classList?.contains("ab-widget"));

  // Makes text in a box as large as fits, between two sizes in pixels.
  function fitText(box, node, largest, least) {
    const fits = () => node.scrollWidth <= box.clientWidth + 1 && box.scrollHeight <= box.clientHeight + 1;
    for (let size = largest; size >= least; size -= 1) {
      node.style.fontSize = `${size}px`;
      if (fits()) return true;
    }
    return false;
  }

  const frames = (count) => new Promise((resolve) => (count ? requestAnimationFrame(() => resolve(frames(count - 1))) : resolve()));

  // The room on a slide in each of two layouts: words above and below what is shown, or beside it.
  function roomsOf(slide) {
    const room = slide.querySelector(".room");
    return [false, true].map((beside) => {
      slide.classList.toggle("beside", beside);
      fitHeading(slide);
      return { beside, width: room.clientWidth, height: room.clientHeight };
    });
  }

  function choose(slide, beside) {
    slide.classList.toggle("beside", beside);
    fitHeading(slide);
  }

  // The layout and the scale at which something of this size is shown largest.
  const largest = (rooms, width, height) =>
    rooms.map(({ beside, ...room }) => ({ beside, width, height, scale: Math.min(room.width / width, room.height / height) })).reduce((a, b) => (b.scale > 1.08 * a.scale ? b : a));

  function fitPicture(slide, picture) {
    const [width, height] = picture.naturalWidth ? [picture.naturalWidth, picture.naturalHeight] : [picture.viewBox.baseVal.width, picture.viewBox.baseVal.height];
    choose(slide, largest(roomsOf(slide), width, height).beside);
  }

  // Makes widgets as large as their slides allow: at each of some widths a widget has another height, so all are tried.
  async function fitWidgets(widgets) {
    const plain = new CSSStyleSheet();
    plain.replaceSync(UNSHOWN);
    const best = new Map();
    const rooms = new Map();
    for (const widget of widgets) {
      for (const root of all("*", widget).flatMap((node) => node.shadowRoot ?? [])) root.adoptedStyleSheets = [...root.adoptedStyleSheets, plain];
      rooms.set(widget, roomsOf(widget.closest(".slide")));
    }
    for (const width of WIDTHS) {
      for (const widget of widgets) Object.assign(widget.style, { width: `${width}px`, transform: "none", margin: 0 });
      await frames(3); // a widget draws itself anew once it has noticed
      for (const widget of widgets) {
        const found = largest(rooms.get(widget), width, widget.offsetHeight);
        found.scale = Math.min(LARGEST, found.scale);
        if (!(best.get(widget)?.scale >= found.scale - 0.02)) best.set(widget, found);
      }
    }
    for (const [widget, { beside, width }] of best) {
      choose(widget.closest(".slide"), beside);
      widget.style.width = `${width}px`;
    }
    await frames(5);
    for (const [widget, { width, scale: hoped }] of best) {
      const room = widget.closest(".room");
      const scale = Math.min(hoped, room.clientHeight / widget.offsetHeight);
      const left = Math.max(0, (room.clientWidth - width * scale) / 2);
      const top = Math.max(0, (room.clientHeight - widget.offsetHeight * scale) / 2);
      widget.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    }
    await frames(3);
  }

  // A headline as large as leaves it two lines, or three.
  function fitHeading(slide) {
    if (slide.matches(".title")) return;
    const heading = slide.querySelector("h1, h2");
    const few = slide.matches(".beside") ? 6 : 2;
    for (let size = 44; size >= 28; size -= 1) {
      heading.style.fontSize = `${size}px`;
      if (heading.offsetHeight <= (few + 0.6) * size || (size < 34 && heading.offsetHeight <= (few + 1.8) * size)) return;
    }
  }

  // A formula beside its number.
  function fitFormula(room, formula) {
    const beside = formula.nextElementSibling ? 200 : 0;
    for (let size = 56; size >= 24; size -= 1) {
      formula.style.fontSize = `${size}px`;
      if (formula.querySelector("mjx-math").offsetWidth <= room.clientWidth - beside) return size;
    }
    return 24;
  }

  const SIZES = { points: [38, 28], table: [32, 22] };

  function fit(slide) {
    const room = slide.querySelector(".room");
    const box = room.querySelector(".fit");
    fitHeading(slide);
    const picture = slide.matches(".picture") && box.firstElementChild;
    if (picture) return fitPicture(slide, picture);
    for (const points of all(".points", box)) fitText(room, points, ...SIZES.points);
    for (const table of all(":scope > table", box)) fitText(room, table, ...SIZES.table);
    const formulas = all(".formula", box);
    const sizes = formulas.map((formula) => fitFormula(room, formula));
    for (const formula of formulas) formula.style.fontSize = `${Math.min(...sizes)}px`;
    const blocks = all(":scope > .highlight, .data, :scope > .printed", box);
    if (!blocks.length) return;
    const wide = (node) => (node.matches(".highlight") ? node.firstElementChild : node);
    const set = (size) => {
      box.classList.toggle("dense", size < 20);
      for (const block of blocks) block.style.fontSize = `${block.matches(".data") ? Math.min(34, size * 1.15) : size}px`;
    };
    const across = () => all(".pair", box).concat(blocks).every((block) => wide(block).scrollWidth <= wide(block).clientWidth + 1);
    let readable = SMALLEST;
    for (let size = 28; size >= SMALLEST; size -= 0.5) {
      set(size);
      if (!across()) continue;
      if (box.scrollHeight <= room.clientHeight) return;
      readable = Math.max(readable, Math.min(size, 22));
    }
    if (!box.querySelector(".highlight")) return;
    set(readable);
    box.classList.add("scrolls");
  }

  const chapter = document.querySelector(".foot a");
  let speaker;

  function tell() {
    const slide = Reveal.getCurrentSlide();
    chapter.href = `${chapter.dataset.chapter}#${slide.dataset.place}`;
    if (!speaker || speaker.closed) return;
    const slides = Reveal.getSlides();
    const number = slides.indexOf(slide);
    const text = (one) => one?.querySelector("h1, h2")?.cloneNode(true).textContent ?? "";
    const notes = slide.querySelector("template.notes")?.innerHTML ?? "";
    speaker.postMessage({ attnbook: "slide", notes, headline: slide.querySelector("h1, h2").textContent, next: text(slides[number + 1]), number: number + 1, count: slides.length }, "*");
  }

  function openSpeaker() {
    const theme = document.documentElement.dataset.theme;
    speaker = window.open(new URL(`_static/speaker.html?theme=${theme}`, location.href), "speaker", "width=900,height=700");
  }

  window.addEventListener("message", ({ data, source }) => {
    if (source !== speaker || !speaker) return;
    if (data?.attnbook === "ready") tell();
    if (data?.attnbook === "next") Reveal.next();
    if (data?.attnbook === "previous") Reveal.prev();
  });

  // The keys of a presenter turn the slide wherever the focus is; all others are the widget's while it has it.
  window.addEventListener("keydown", (event) => {
    if (!inWidget(event) || !["PageDown", "PageUp"].includes(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    document.activeElement?.blur();
    event.key === "PageDown" ? Reveal.next() : Reveal.prev();
  }, true);

  // Widgets far down a page wait for its reader; slides want all of them before they are fitted.
  async function mounted() {
    window.dispatchEvent(new Event("pointermove"));
    while (all(".ab-widget").some((widget) => !widget.dataset.state)) await new Promise((next) => setTimeout(next, 30));
  }

  async function start() {
    await Promise.all([mounted(), ...[...document.images].map((image) => image.decode().catch(() => 0))]);
    deck.getBoundingClientRect(); // once it is laid out, the page knows which fonts it wants
    await document.fonts.ready;
    all(".slide").forEach(fit);
    await fitWidgets(all(".ab-widget"));
    deck.classList.remove("measuring");
    await Reveal.initialize({
      width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false, hash: true, navigationMode: "linear", transition: "none",
      backgroundTransition: "none", slideNumber: "c/t", viewDistance: 1000, mobileViewDistance: 1000, controlsTutorial: false, pdfSeparateFragments: false,
      keyboardCondition: (event) => !inWidget(event),
      keyboard: { 83: openSpeaker, 84: () => (document.documentElement.dataset.theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark") },
    });
    Reveal.registerKeyboardShortcut("S", "Speaker's notes in a window of their own");
    Reveal.registerKeyboardShortcut("T", "Light or dark");
    Reveal.on("slidechanged", () => {
      document.activeElement?.blur();
      tell();
    });
    tell();
    deck.dataset.ready = "true";
  }
  if (document.readyState === "complete") start();
  else window.addEventListener("load", start, { once: true });
}
