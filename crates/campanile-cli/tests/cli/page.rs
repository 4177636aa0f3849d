//! Pages, looked at in a headless browser: where there is none, that is said.

use crate::find::busy_home;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Loads each page at the width of a desk and of a phone, and measures what a person would see.
const LOOK: &str = r#"<!doctype html><meta charset="utf-8"><body><pre id="seen"></pre><script>
const pages = PAGES, widths = [1280, 390], seen = [];
const rgb = (text) => (text.match(/[\d.]+/g) || [0, 0, 0, 0]).map(Number);
const light = (c) => [0, 1, 2].map((i) => c[i] / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const contrast = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
const behind = (view, node) => { for (; node; node = node.parentElement) { const c = rgb(view.getComputedStyle(node).backgroundColor);
  if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
async function look(page, width) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  const loaded = new Promise((done) => frame.onload = done);
  frame.src = page;
  document.body.append(frame);
  await loaded;
  const doc = frame.contentDocument, view = frame.contentWindow, faint = [], small = [];
  for (const node of doc.querySelectorAll("body *")) {
    if (node.closest("svg") || ![...node.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
    const style = view.getComputedStyle(node), size = parseFloat(style.fontSize);
    if (style.visibility === "hidden") continue;
    if (size < 12) small.push(node.textContent.slice(0, 40));
    if (contrast(rgb(style.color), behind(view, node)) < 4.5) faint.push(node.textContent.slice(0, 40));
  }
  const shapes = [...doc.querySelectorAll("svg")], boxes = shapes.map((svg) => svg.getBoundingClientRect());
  const bars = [...doc.querySelectorAll("svg rect")];
  const dim = bars.filter((bar) => !bar.classList.contains("open") && contrast(rgb(view.getComputedStyle(bar).fill), behind(view, bar.closest("svg"))) < 3);
  seen.push({ page, width, faint, small, dim: dim.length, wide: doc.documentElement.scrollWidth - doc.documentElement.clientWidth,
    plots: doc.querySelectorAll("svg[role=img]").length, flat: boxes.filter((b) => b.width < 1 || b.height < 1).length,
    outside: boxes.filter((b) => b.right > width + 1).length && [...doc.querySelectorAll(".plot svg")].filter((s) => s.getBoundingClientRect().right > width).length,
    unnamed: shapes.filter((svg) => !svg.getAttribute("aria-label")).length,
    fetched: doc.querySelectorAll("[src],link[href],a[href^=http]").length, scripts: doc.scripts.length,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches, height: doc.documentElement.scrollHeight });
  frame.remove();
}
(async () => { for (const page of pages) for (const width of widths) await look(page, width);
  document.getElementById("seen").textContent = JSON.stringify(seen); })();
</script>"#;

fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| {
            let mut command = Command::new(name);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        })
}

/// What the browser sees of the pages of a folder.
fn seen(browser: &str, folder: &Path, pages: &[&str], dark: bool) -> Vec<Value> {
    let look = folder.join("look.html");
    fs::write(
        &look,
        LOOK.replace("PAGES", &serde_json::to_string(pages).unwrap()),
    )
    .unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .args([
            "--allow-file-access-from-files",
            "--virtual-time-budget=30000",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!(
            "--blink-settings=preferredColorScheme={}",
            u8::from(!dark)
        ))
        .arg(format!("file://{}", look.display()));
    let done = command.output().unwrap();
    let dom = String::from_utf8(done.stdout).unwrap();
    let told = dom
        .split_once("id=\"seen\">")
        .and_then(|(_, rest)| rest.split_once("</pre>"));
    let (told, _) = told.unwrap_or_else(|| {
        panic!(
            "nothing was seen: {}",
            String::from_utf8_lossy(&done.stderr)
        )
    });
    let told = told
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[test]
fn pages_are_readable_on_a_desk_and_on_a_phone_in_light_and_dark() {
    let Some(browser) = browser() else {
        println!("skipped: there is no chromium");
        return;
    };
    let home = busy_home();
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str, words: &[&str]| {
        let html = home.run(words).good();
        fs::write(folder.path().join(name), html).unwrap();
    };
    let sessions = home
        .run(&["sessions", "--failed", "--format", "json"])
        .good();
    let sessions: Value = serde_json::from_str(&sessions).unwrap();
    let session = sessions["sessions"][0]["session"].as_str().unwrap();
    page(
        "report.html",
        &["report", "--format", "html", "--since", "7d"],
    );
    page("session.html", &["session", session, "--format", "html"]);

    for dark in [false, true] {
        let seen = seen(
            browser,
            folder.path(),
            &["report.html", "session.html"],
            dark,
        );
        assert_eq!(seen.len(), 4);
        for page in seen {
            assert_eq!(page["dark"], dark, "{page}");
            for nothing in [
                "dim", "wide", "flat", "outside", "unnamed", "fetched", "scripts",
            ] {
                assert_eq!(page[nothing].as_i64().unwrap_or(0), 0, "{nothing}: {page}");
            }
            for nobody in ["faint", "small"] {
                assert_eq!(
                    page[nobody].as_array().map(Vec::len),
                    Some(0),
                    "{nobody}: {page}"
                );
            }
            assert!(page["plots"].as_u64().unwrap() >= 9, "{page}");
            assert!(page["height"].as_u64().unwrap() > 900, "{page}");
        }
    }
}

#[test]
fn a_page_is_one_file_that_asks_nobody_for_anything() {
    let page = busy_home().run(&["report", "--format", "html"]).good();

    assert!(page.starts_with("<!doctype html>"));
    assert!(page.contains("default-src 'none'"));
    for word in [
        "<script", "http://", "https://", "<link", "<img", "url(", "@import", "src=",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    for title in [
        "Spend by day and provider",
        "Budgets",
        "Wasted",
        "User to bot",
        "Time to first item",
        "What failed",
        "By provider and model",
    ] {
        assert!(page.contains(title), "{title}");
    }
    assert!(page.matches("<rect").count() > 10);
    assert_eq!(
        page.matches("<section").count(),
        page.matches("</section>").count()
    );
}
