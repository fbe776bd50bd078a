// The speaker's window: the prose behind the slide that is shown, the time, and what comes next.
{
  const one = (id) => document.getElementById(id);
  const say = (attnbook) => window.opener?.postMessage({ attnbook }, "*");
  let began = Date.now();

  window.addEventListener("message", ({ data, source }) => {
    if (source !== window.opener || data?.attnbook !== "slide") return;
    one("number").textContent = `${data.number} of ${data.count}`;
    one("headline").textContent = data.headline;
    one("next").textContent = data.next || "the end";
    one("notes").innerHTML = data.notes || "<p>No notes.</p>";
    window.scrollTo(0, 0);
  });
  window.addEventListener("keydown", ({ key }) => {
    if (["ArrowRight", "PageDown", " "].includes(key)) say("next");
    if (["ArrowLeft", "PageUp"].includes(key)) say("previous");
  });
  one("elapsed").addEventListener("click", () => (began = Date.now()));
  const two = (number) => String(number).padStart(2, "0");
  const tick = () => {
    const seconds = Math.floor((Date.now() - began) / 1000);
    one("elapsed").textContent = `${two(Math.floor(seconds / 60))}:${two(seconds % 60)}`;
    const now = new Date();
    one("clock").textContent = `${two(now.getHours())}:${two(now.getMinutes())}`;
  };
  setInterval(tick, 1000);
  tick();
  say("ready");
}
