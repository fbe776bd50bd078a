"""The home page's picture and cuts, for translator.py: paint, frames and waits, with their aims."""

import json
import os
import re
import statistics
from collections.abc import Callable

from bookpress.extension.places import translator_place

SPEEDS = {1: "", 4: ", slowed four times"}
# Notes when something is first drawn on a canvas of a widget that is in the page, and the frame after it.
WATCH_PAINT = """
  const first = (name) => {
    const own = CanvasRenderingContext2D.prototype[name];
    CanvasRenderingContext2D.prototype[name] = function (...all) {
      if (!window.painted && this.canvas.isConnected && this.canvas.getRootNode() !== document) {
        const shown = (done) => requestAnimationFrame(() => setTimeout(() => done(performance.now())));
        window.painted = new Promise(shown);
      }
      return own.apply(this, all);
    };
  };
  ["drawImage", "putImageData", "fillRect"].forEach(first);
"""
PAINTED = """async () => {
  while (!window.painted) await new Promise(requestAnimationFrame);
  return window.painted;
}"""
# Milliseconds between frames, for some time or while the flow plays, and those that the page's code took.
FRAMES = """async (host, time) => {
  const button = host.shadowRoot.querySelector(".flow-play");
  const plays = () => button.textContent.includes("pause");
  const intervals = [], busy = [], own = window.requestAnimationFrame;
  window.requestAnimationFrame = (call) => own((now) => {
    const start = performance.now();
    call(now);
    busy.push(performance.now() - start);
  });
  if (!time) button.click();
  const start = performance.now();
  let before = await new Promise(own);
  while (time ? performance.now() - start < time : plays()) {
    const now = await new Promise(own);
    intervals.push(now - before);
    before = now;
  }
  window.requestAnimationFrame = own;
  return [intervals, busy];
}"""
FRAME = "const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
# Cuts the largest weight of the current token, as a reader does; milliseconds to the new answer.
CUT = (
    f"""async (host) => {{ {FRAME}"""
    + """
  const root = host.shadowRoot;
  const until = async (holds) => { while (!holds()) await frame(); };
  const shown = () => root.querySelector(".ab-effect")?.hidden === false;
  const enter = new KeyboardEvent("keydown", { key: "Enter", bubbles: true });
  root.querySelector(".flow-out[tabindex='0']").dispatchEvent(enter);
  await until(() => root.querySelector(".ab-sum")?.hidden === false);
  const start = performance.now();
  root.querySelector(".sum-head .button").click();
  await until(shown);
  const waited = performance.now() - start;
  root.querySelector(".ab-effect .cut-row > .button").click();
  await until(() => !shown());
  return waited;
}"""
)
# Milliseconds from the button to the frame that shows the damage of all heads.
DAMAGE = (
    f"""async (host) => {{ {FRAME}"""
    + """
  const root = host.shadowRoot;
  const button = [...root.querySelectorAll(".tools button")].find((one) => one.textContent === "damage");
  const explorer = () => root.querySelector(".ab-inner > *")?.shadowRoot;
  const weighed = () => explorer()?.querySelectorAll(".thumb.is-weighed").length ?? 0;
  const start = performance.now();
  button.click();
  while (weighed() < 8) await frame();
  const waited = performance.now() - start;
  button.click();
  while (weighed()) await frame();
  return waited;
}"""
)


def with_map_only(page: str) -> str:
    """The home page with the same translator without its flow: a map, whose program loads with the page."""
    page = re.sub(r"widgets/date_flow\.js(\?v=\w+)?", "widgets/attention_explorer.js", page)
    start, end = re.search(r'widget-state\+json">(.*?)</script>', page, re.S).span(1)
    data = json.loads(page[start:end])
    model = next(one for one in data["state"].values() if one["state"].get("_streams"))
    kind, style, ghost, _ = translator_place(model["state"])
    model["state"] |= {"_streams": [], "_steps": []}
    model["buffers"] = [one for one in model["buffers"] if one["path"][0] != "_streams"]
    plain_kind, plain_style, plain_ghost, _ = translator_place(model["state"])
    page = page[:start] + json.dumps(data).replace("<", "\\u003c") + page[end:]
    for old, new in [
        (ghost, plain_ghost),
        (f'"ab-widget {kind}" style="{style}"', f'"ab-widget {plain_kind}" style="{plain_style}"'),
    ]:
        assert page.count(old) == 1
        page = page.replace(old, new)
    return page


def first_paints(browser, addresses: list[str], slow: int) -> list[float]:
    """Milliseconds to the first paint of the widget's picture at each address, in new windows."""
    times = []
    for address in addresses:
        with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
            page = context.new_page()
            page.add_init_script(WATCH_PAINT)
            throttle(page)(slow)
            page.goto(address, wait_until="commit")
            times.append(page.evaluate(PAINTED))
    return times


def throttle(page) -> Callable[[int], None]:
    session = page.context.new_cdp_session(page)
    return lambda rate: session.send("Emulation.setCPUThrottlingRate", {"rate": rate})


def measure_flow(browser, address: str, map_only: str, rounds: int) -> list[list[str]]:
    """Rows of the table: what, measured, aim, reached or not. Everything takes turns in every round."""
    paints = {rate: [] for rate in SPEEDS}
    plays = {rate: ([], [], []) for rate in SPEEDS}  # intervals, the same at rest, time of the page's code
    cuts = {rate: [] for rate in SPEEDS}
    damages = []
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        page = context.new_page()
        slow = throttle(page)
        page.goto(address, wait_until="load")
        page.mouse.move(1, 1)
        host = page.locator(".ab-translator .ab-live .attnbook-widget").first
        host.locator(".flow-out").first.wait_for(state="attached")
        host.get_by_role("slider", name="Step").press("End")
        host.get_by_role("button", name="heatmaps").click()
        host.locator(".map canvas").wait_for()
        host.evaluate(CUT)  # the model is loaded
        host.evaluate(DAMAGE)
        for turn in range(rounds):
            damages.append(host.evaluate(DAMAGE))
            host.get_by_role("button", name="heatmaps").click()
            for rate in SPEEDS:
                order = [address, map_only][:: 1 if turn % 2 else -1]
                times = first_paints(browser, order, rate)
                paints[rate].append(times[:: 1 if turn % 2 else -1])
                slow(rate)
                cuts[rate].append(host.evaluate(CUT))
                played, rest, code = plays[rate]
                rest += host.evaluate(FRAMES, 2000)[0]
                intervals, busy = host.evaluate(FRAMES, 0)
                played += intervals
                code += busy
                slow(1)
            host.get_by_role("button", name="heatmaps").click()
    rows = []
    for rate, name in SPEEDS.items():
        ratio = statistics.median(flow / plain for flow, plain in paints[rate])
        flow, plain = (statistics.median(each) for each in zip(*paints[rate], strict=True))
        rows.append(
            row(
                f"first paint of the flow ÷ of the map{name}",
                ratio,
                1.2,
                "{:.2f}",
                f"{flow:.0f} and {plain:.0f} ms",
            )
        )
    for rate, name in SPEEDS.items():
        played, rest, code = plays[rate]
        late, noise = (100 * sum(one > 20 for one in each) / len(each) for each in (played, rest))
        code.sort()
        usual, long = statistics.median(code), code[int(0.95 * len(code))]
        most = f"{noise:.1f} % at rest; code {usual:.1f} ms a frame, 95 % below {long:.1f}"
        rows.append(row(f"frames over 20 ms while it plays, %{name}", late, 5, "{:.1f}", most))
    for rate, aim in {1: 100, 4: 300}.items():
        worst = f"slowest {max(cuts[rate]):.0f}"
        rows.append(
            row(
                f"from a cut to its answer, ms{SPEEDS[rate]}",
                statistics.median(cuts[rate]),
                aim,
                "{:.0f}",
                worst,
            )
        )
    rows.append(
        row(
            "damage of all heads, ms",
            statistics.median(damages),
            500,
            "{:.0f}",
            f"slowest {max(damages):.0f}",
        )
    )
    return rows


def row(what: str, value: float, aim: float, form: str, beside: str) -> list[str]:
    return [what, form.format(value), f"≤ {aim}", "yes" if value <= aim else "**no**", beside]


def load() -> str:
    """What else the machine did, as its load average per core."""
    return f"{os.getloadavg()[0] / os.cpu_count():.1f}"
