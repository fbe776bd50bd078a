// Every text of a widget whose contrast with what lies behind it is too low (WCAG 2.1: 4.5).
(root) => {
  const pen = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const rgba = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const page = rgba(getComputedStyle(root).getPropertyValue("--bg"));
  const low = [];
  for (const node of root.querySelectorAll("*")) {
    const text = [...node.childNodes].find((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (!text || node.closest("[hidden], .said, .space, option")) continue;
    let behind = page;
    for (let e = node; e !== root; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3]) {
        behind = colour;
        break;
      }
    }
    const [bright, dark] = [rgba(getComputedStyle(node).color), behind].map(luminance).sort((a, b) => b - a);
    const contrast = (bright + 0.05) / (dark + 0.05);
    if (contrast < 4.5) low.push([text.data.slice(0, 30), contrast.toFixed(2)]);
  }
  return low;
}
