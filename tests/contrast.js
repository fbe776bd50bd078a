// Every visible text below `root` whose contrast with its background is below WCAG 2.1 AA, as "ratio element text".
// Of a page's body, widgets are left out: their own tests look inside them.
(root) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 1, height: 1});
  const pen = canvas.getContext("2d", {willReadFrequently: true});

  const remembered = (compute, known = new Map()) => (given) => {
    if (!known.has(given)) known.set(given, compute(given));
    return known.get(given);
  };
  const rgba = remembered((colour) => { // any CSS colour, as the browser paints it
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  });
  const over = (top, below) => below.map((c, i) => top[i] * top[3] + c * (1 - top[3]));
  const behind = remembered((element) => {
    const around = element.parentElement ?? element.getRootNode().host;
    return over(rgba(getComputedStyle(element).backgroundColor), around ? behind(around) : [255, 255, 255]);
  });
  const luminance = (rgb) => rgb
    .map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);

  const apart = "script, style, noscript, option, .ab-widget, .btn__icon-container, a.headerlink, .said, .space";
  const low = [];
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim(), element = texts.currentNode.parentElement;
    if (!text || element.closest(apart)) continue;
    if (!element.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
    const style = getComputedStyle(element), back = behind(element);
    const lights = [luminance(over(rgba(style.color), back)), luminance(back)];
    const contrast = (Math.max(...lights) + 0.05) / (Math.min(...lights) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    if (contrast < (large ? 3 : 4.5)) {
      low.push(`${contrast.toFixed(2)} ${element.tagName}.${element.className} ${text.slice(0, 40)}`);
    }
  }
  return low;
}
