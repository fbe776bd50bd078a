// Moves thumbnails from where they were to their new places.

import { still } from "../shared/theme.js";

export function slide(before) {
  if (still()) return;
  for (const [node, { left, top }] of before) {
    const now = node.getBoundingClientRect();
    if (!node.isConnected || (now.left === left && now.top === top)) continue;
    node.animate([{ transform: `translate(${left - now.left}px, ${top - now.top}px)` }, { transform: "none" }], { duration: 350, easing: "ease-out" });
  }
}
