"""A tab that one test has used is like a new one for the next."""

USE = """async () => {
  localStorage.setItem("kept", 1);
  sessionStorage.setItem("kept", 1);
  await (await caches.open("kept")).put("/kept", new Response("kept"));
  window.kept = 1;
}"""
LEFT = """async () => [
  localStorage.getItem("kept"), sessionStorage.getItem("kept"), await caches.has("kept"), "kept" in window,
  matchMedia("print").matches, matchMedia("(prefers-color-scheme: dark)").matches]"""


def test_a_used_tab_keeps_nothing(tabs, site):
    tab = tabs.take()
    tab.goto(site + "chapters/about.html")
    tab.evaluate(USE)
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate(LEFT) == ["1", "1", True, True, True, True]
    tabs.give_back(tab)
    assert tabs.take() is tab
    tab.goto(site + "chapters/about.html")
    assert tab.evaluate(LEFT) == [None, None, False, False, False, False]
    tabs.give_back(tab)
