"""The model store in a browser: chunks are fetched, checked, kept and removed, and every failure is named."""

import hashlib
import json
import threading
from pathlib import Path

import pytest

from bookpress import ROOT
from bookpress.serve import server
from tests.tabs import wait_until

NAME = "tiny"
CONTENT = bytes(range(256)) * 5  # in chunks of 500, 500 and 280 bytes
ENGINE = ROOT / "src" / "attnbook" / "widgets" / "js" / "engine"
# Runs a function with the module's exports and a fresh store; a failure comes back as its reason and message.
RUN = """async body => {
  const { Store, siteFiles } = await import("/store.js");
  const { keptOf, removeKept } = await import("/kept.js");
  const open = () => Store.open(siteFiles("/models/tiny/", "tiny"));
  try {
    return await eval(`(${body})`)({ open, keptOf, removeKept });
  } catch (error) {
    return { reason: error.reason, message: error.message };
  }
}"""
WHOLE = """async ({ open, keptOf }) => {
  const store = await open(), steps = [];
  const bytes = await store.part("weights", { progress: (done, all) => steps.push([done, all]) });
  return { bytes: [...bytes], steps, kept: await keptOf("tiny"), full: store.full };
}"""


def write(folder: Path) -> None:
    chunks = [CONTENT[at : at + 500] for at in range(0, len(CONTENT), 500)]
    place = folder / "models" / NAME
    place.mkdir(parents=True)
    for i, chunk in enumerate(chunks):
        (place / f"weights-{i}.bin").write_bytes(chunk)
    hashes = [hashlib.sha256(chunk).hexdigest() for chunk in chunks]
    part = {"start": 40, "end": 40 + len(CONTENT), "size": 500, "sha256": hashes}
    (place / "manifest.json").write_text(json.dumps({"name": NAME, "parts": {"weights": part}}))
    for name in ("store.js", "kept.js"):
        (folder / name).write_bytes((ENGINE / name).read_bytes())
    (folder / "page.html").write_text("<!doctype html><title>page</title>")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write(folder)
    with server(str(folder), port=0) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


@pytest.fixture
def page(browser, address):
    """A page with nothing kept, and `page.fetched`, the files it asks the server for."""
    context = browser.new_context(bypass_csp=True)  # for `eval` in RUN
    page = context.new_page()
    page.fetched = []
    page.on("request", lambda request: page.fetched.append(request.url.rpartition("/")[2]))
    page.goto(address + "page.html")
    yield page
    context.close()


def run(page, body):
    page.fetched.clear()
    return page.evaluate(RUN, body)


def chunks_of(page):
    return sorted(name for name in page.fetched if name.endswith(".bin"))


def test_a_part_arrives_whole_and_with_progress(page):
    got = run(page, WHOLE)
    assert bytes(got["bytes"]) == CONTENT
    assert got["steps"][-1] == [len(CONTENT)] * 2
    assert [done for done, _ in got["steps"]] == sorted(done for done, _ in got["steps"])
    assert (got["kept"], got["full"]) == (len(CONTENT), False)


def test_chunks_are_kept_until_they_are_removed(page):
    first = run(page, WHOLE)
    assert chunks_of(page) == [f"weights-{i}.bin" for i in range(3)]
    page.reload()
    assert run(page, WHOLE)["bytes"] == first["bytes"]
    assert chunks_of(page) == []
    remove = "async ({ keptOf, removeKept }) => [await removeKept('tiny'), await keptOf('tiny')]"
    assert run(page, remove) == [True, 0]
    assert run(page, remove) == [False, 0]
    assert page.evaluate("caches.keys()") == []  # a question makes no place
    run(page, WHOLE)
    assert len(chunks_of(page)) == 3


def test_one_chunk_can_be_had_alone(page):
    got = run(
        page,
        """async ({ open, keptOf }) => {
        const store = await open();
        return [[...await store.chunk("weights", 2)], await keptOf("tiny")];
    }""",
    )
    assert bytes(got[0]) == CONTENT[1000:]
    assert got[1] == 280
    assert chunks_of(page) == ["weights-2.bin"]


def test_an_interrupted_part_resumes(page):
    page.route("**/weights-2.bin", lambda route: route.abort())
    assert run(page, WHOLE)["reason"] == "offline"
    page.unroute("**/weights-2.bin")
    wait_until(page, "async () => (await (await caches.open('attnbook-models-tiny')).keys()).length === 2")
    assert bytes(run(page, WHOLE)["bytes"]) == CONTENT
    assert chunks_of(page) == ["weights-2.bin"]


@pytest.mark.parametrize(
    ("file", "answer", "reason", "says"),
    [
        ("manifest.json", {"status": 404}, "absent", "without the model's files"),
        ("weights-1.bin", {"status": 404}, "lost", "The server has no weights-1.bin"),
        ("weights-1.bin", {"status": 503}, "server", "answered 503"),
        ("weights-1.bin", {"body": CONTENT[500:700]}, "short", "incomplete"),
        ("weights-1.bin", {"body": CONTENT[501:1001]}, "altered", "hash differs"),
        ("manifest.json", {"body": "<html>not found</html>"}, "altered", "can't be read"),
        ("manifest.json", {"body": '{"name": "another"}'}, "altered", "can't be read"),
    ],
)
def test_failures_are_named(page, file, answer, reason, says):
    page.route(f"**/{file}", lambda route: route.fulfill(**answer))
    got = run(page, WHOLE)
    assert got["reason"] == reason
    assert says in got["message"]


def test_a_kept_chunk_that_changed_is_fetched_again(page):
    run(page, WHOLE)
    page.evaluate("""async () => {
        const cache = await caches.open("attnbook-models-tiny"), [key] = await cache.keys();
        await cache.put(key, new Response(new Uint8Array(500)));
    }""")
    assert bytes(run(page, WHOLE)["bytes"]) == CONTENT
    assert len(chunks_of(page)) == 1


def test_a_full_disk_or_no_cache_only_means_loading_again(page):
    page.evaluate("() => { Cache.prototype.put = async () => { throw new Error('QuotaExceededError'); }; }")
    got = run(page, WHOLE)
    assert bytes(got["bytes"]) == CONTENT
    assert (got["kept"], got["full"]) == (0, True)
    page.evaluate("() => { CacheStorage.prototype.open = async () => { throw new Error('no'); }; }")
    assert bytes(run(page, WHOLE)["bytes"]) == CONTENT
    page.evaluate("Object.defineProperty(window, 'caches', { get() { throw new Error('no'); } })")
    assert bytes(run(page, WHOLE)["bytes"]) == CONTENT
    assert run(page, "({ removeKept }) => removeKept('tiny')") is False


def test_loading_can_be_cancelled(page):
    page.route("**/weights-0.bin", lambda route: None)  # never answered
    got = run(
        page,
        """async ({ open }) => {
        const store = await open(), stop = new AbortController();
        const loading = store.part("weights", { signal: stop.signal }).catch(({ name }) => name);
        stop.abort();
        return loading;
    }""",
    )
    assert got == "AbortError"


def test_pages_without_the_browsers_hashes_say_so(page):
    page.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    assert run(page, WHOLE)["reason"] == "insecure"


def test_files_cannot_fetch(page):
    got = run(
        page,
        """async () => {
        const { Store, siteFiles } = await import("/store.js");
        return Store.open(siteFiles("file:///book/models/tiny/", "tiny"));
    }""",
    )
    assert got["reason"] == "file"
    assert "web server" in got["message"]
    assert not any("tiny" in name for name in page.fetched)
