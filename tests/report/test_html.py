"""The page in a browser without a window: no request, no error, nothing cut, whole without JavaScript."""

import http.server
import json
import re
import shutil
import subprocess
import threading

import pytest
from once import once
from reported import write_study, write_verdicts

from ganbench.cli import app

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: the page is not looked at in a browser"),
]

LOOK = """
<script>
addEventListener("load", () => {
  const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll("main *:not(svg *), header *")].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && (box.right > wide + 1 || box.left < -1);
  });
  const marks = [...document.querySelectorAll("svg[role=img]")];
  const flat = marks.filter((e) => e.getBoundingClientRect().height < 40).length;
  const first = document.querySelector("table.sortable");
  const names = () => [...first.tBodies[0].rows].map((row) => row.cells[0].querySelector("span").textContent);
  const before = names();
  first.querySelector("button").click();
  const up = names();
  first.querySelector("button").click();
  const found = { wide, out: out.map((e) => e.outerHTML.slice(0, 80)), marks: marks.length, flat,
    before, up, down: names(),
    scroll: document.documentElement.scrollWidth, ink: getComputedStyle(document.body).color };
  parent.postMessage(JSON.stringify(found), "*");
});
</script>
"""

FRAME = """<!DOCTYPE html><meta name="color-scheme" content="light dark">
<script>
addEventListener("message", (event) => {
  const told = document.createElement("pre");
  told.id = "seen";
  told.textContent = event.data;
  document.body.append(told);
});
</script>
<body><iframe src="looked-at.html" width="{width}" height="3000" style="border:0"></iframe>
"""  # a window has a least width, a frame has none


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return once(tmp_path_factory, "browser", write_page) / "study" / "report" / "index.html"


def write_page(folder):
    path = folder / "study"
    names = {"gan": 40.0, "wgan": 20.0, "<script>document.title='broken'</script>" + "long-" * 30: 30.0}
    write_study(path, names, seeds=2, architectures=("dcgan", "mlp"), endings={("gan", 0): "diverged"})
    write_verdicts(path)
    with pytest.raises(SystemExit, match="0"):
        app.app(["report", str(path)])


def browse(page, folder, *options):
    """The DOM after loading, what was written to the console, and the addresses that were asked for."""
    log = folder / "net.json"
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
         f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}", "--enable-logging=stderr",
         "--window-size=1400,4000", "--virtual-time-budget=5000", *options, "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console, requests(log)


def requests(log):
    """Web addresses in a log of Chromium's network stack; the browser's own errands are not the page's."""
    events = json.loads(log.read_text())["events"]
    asked = {e["params"]["url"] for e in events if "url" in e.get("params", {})}
    return sorted(url for url in asked if re.match(r"(https?|wss?)://", url) and "google" not in url)


def looked_at(page, folder, *options, width=1280):
    """What a script finds that is put into a copy of the page."""
    copy = folder / "looked-at.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", LOOK + "</body>"), encoding="utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.replace("{width}", str(width)), encoding="utf-8")
    dom, console, _ = browse(frame, folder, *options)
    found = re.search(r'<pre id="seen">(.*?)</pre>', dom, re.DOTALL)[1]
    return json.loads(found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")), console


def test_the_page_asks_the_network_for_nothing_and_writes_no_error(page, tmp_path):
    dom, console, asked = browse(page, tmp_path)
    assert asked == []
    assert console == []
    assert "<title>GAN objectives on digits</title>" in dom  # a name that is a script has not run


def test_a_request_and_an_error_would_be_seen(tmp_path):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/picture.png"
    (tmp_path / "bad.html").write_text(f"<img src='{address}'><script>console.error('seen')</script>")
    try:
        _, console, asked = browse(tmp_path / "bad.html", tmp_path)
    finally:
        server.shutdown()
    assert asked == [address]
    assert any("seen" in line for line in console)


def test_without_javascript_all_figures_and_tables_are_there(page, tmp_path):
    text = page.read_text(encoding="utf-8")
    off = tmp_path / "off.html"
    off.write_text(text.replace("script-src 'unsafe-inline'", "script-src 'none'"), encoding="utf-8")
    dom, _, _ = browse(off, tmp_path)
    assert "<button" not in dom  # which only the page's script makes
    assert "<button" in browse(page, tmp_path)[0]
    for tag in ("<figure", "<table", "<figcaption", 'role="img"', "<a download", "<li>"):
        assert dom.count(tag) == text.count(tag) > 0


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_cut_at_a_desks_and_at_a_phones_width(page, tmp_path, width, dark):
    seen, console = looked_at(page, tmp_path, *["--blink-settings=preferredColorScheme=0"] * dark, width=width)
    assert seen["out"] == []
    assert seen["scroll"] <= seen["wide"] <= width
    assert seen["marks"] > 20
    assert seen["flat"] == 0
    assert seen["ink"] == ("rgb(227, 232, 238)" if dark else "rgb(38, 49, 61)")
    assert console == []


def test_a_click_on_a_heading_sorts(page, tmp_path):
    seen, _ = looked_at(page, tmp_path)
    assert seen["up"] == sorted(seen["before"])
    assert seen["down"] == seen["up"][::-1]
