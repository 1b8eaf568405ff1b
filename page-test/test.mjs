// Looks at report pages in Chromium. README.md says what is seen to; run.sh runs it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const { CHROMIUM, PAGES, SCREENSHOTS } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const names = readdirSync(PAGES).filter((file) => file.endsWith(".html")).map((file) => file.slice(0, -5));
const address = (name) => pathToFileURL(join(PAGES, `${name}.html`)).href;
const report = (name) => JSON.parse(readFileSync(join(PAGES, `${name}.json`), "utf8"));
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

let browser;
before(async () => {
  // As root, as in a container, Chromium has no sandbox; the pages are our own.
  const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
  browser = await chromium.launch({ executablePath: CHROMIUM, args });
});
after(() => browser?.close());

// Opens a page, hands it to `look`, and fails if it said or asked for anything meanwhile.
async function open(name, options, look) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const trouble = [];
  page.on("console", (message) => trouble.push(`console ${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => trouble.push(`error: ${error.message}`));
  page.on("request", (request) => {
    if (request.url() !== address(name) && !request.url().startsWith("data:")) trouble.push(`request: ${request.url()}`);
  });
  try {
    await page.goto(address(name));
    await look(page);
    assert.deepEqual(trouble, []);
  } finally {
    await context.close();
  }
}

const dataOf = (page) => page.evaluate(() => JSON.parse(document.getElementById("data").textContent));
const count = (page, selector) => page.locator(selector).count();

for (const name of names) {
  describe(name, () => {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [360, 1280]) {
        it(`is sound in ${colorScheme}, ${width} px wide`, () =>
          open(name, { colorScheme, viewport: { width, height: 900 } }, async (page) => {
            await page.screenshot({ path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`), fullPage: true });
            const [needed, there] = await page.evaluate(() => {
              const { scrollWidth, clientWidth } = document.documentElement;
              return [scrollWidth, clientWidth];
            });
            assert.ok(needed <= there, `${needed} px are needed, ${there} are there`);
            const cut = await page.evaluate(() => [...document.querySelectorAll(".drawing text")]
              .filter((text) => text.getBoundingClientRect().right > document.documentElement.clientWidth)
              .map((text) => text.textContent));
            assert.deepEqual(cut, [], "writing in pictures is cut off");
            await page.evaluate(() => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
            const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
            assert.ok(wide <= 0, `with its tables open it scrolls sideways by ${wide} px`);
            await page.evaluate(axe);
            const { violations } = await page.evaluate(() => axe.run());
            const found = violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
            assert.deepEqual(found, []);
          }));
      }
    }

    it("draws what it was given", () =>
      open(name, {}, async (page) => {
        const { rotations, limits, life, wear } = await dataOf(page);
        const { sessions, rotations: reasons } = report(name);
        assert.equal(sum(rotations.rows.flatMap(({ counts }) => counts)), sessions);
        for (const { reason, counts } of rotations.rows) assert.equal(sum(counts), reasons[reason], reason);

        const drawn = rotations.rows.flatMap(({ counts }) => counts).filter((bar) => bar > 0).length;
        assert.equal(await count(page, '#rotations g.bars rect'), drawn);
        for (const kind of ["messages", "age"]) {
          const { twentieths, over } = limits[kind];
          const bars = [...twentieths, over].filter((bar) => bar > 0).length;
          assert.equal(await count(page, `#limit-${kind} g.bars rect`), bars, kind);
          if (bars > 0) await limitIsWhereItShouldBe(page, `#limit-${kind}`, kind);
        }
        assert.equal(await count(page, '#wear g.bars rect'), wear.length);

        const entries = life.entries.filter((entry) => entry !== null);
        assert.equal(await count(page, "#entries li"), life.entries.length);
        for (const mark of ["full", "open", "cross"]) {
          const marks = entries.filter((entry) => entry.mark === mark).length;
          assert.equal(await count(page, `#life-lanes g.${mark} path`), marks, mark);
        }
        if (entries.length > 0) {
          assert.equal(await count(page, '#life-sessions g.sessions rect'), life.sessions.length);
          assert.equal(await count(page, '#life-sessions g.off rect'), life.off.length);
        }
      }));

    it("has every table without JavaScript", () =>
      open(name, { javaScriptEnabled: false }, async (page) => {
        const figures = await count(page, "figure");
        assert.equal(await count(page, "figure details[open] table"), figures - (await count(page, ".life figure")));
        for (const table of await page.locator("table").all()) assert.ok(await table.isVisible());
        for (const drawing of await page.locator(".drawing").all()) assert.ok(!(await drawing.isVisible()));
        await page.screenshot({ path: join(SCREENSHOTS, `${name}-without-script.png`), fullPage: true });
      }));
  });
}

// Every chart's scale begins 52 px from the left and ends 16 px from the right, from 0 to 108 %.
async function limitIsWhereItShouldBe(page, chart, kind) {
  const line = page.locator(`${chart} g.limit line`);
  assert.equal(await line.count(), 1, kind);
  const [x, width] = await line.evaluate((line) => {
    const svg = line.ownerSVGElement;
    const { left } = svg.getBoundingClientRect();
    return [line.getBoundingClientRect().left - left, svg.getBoundingClientRect().width];
  });
  const expected = 52 + ((width - 52 - 16) * 100) / 108;
  assert.ok(Math.abs(x - expected) < 2, `${kind}: the limit is at ${x} of ${width} px, not at ${expected}`);
}

describe("a room's life", () => {
  const chosen = (page) => page.evaluate(() => [...document.querySelectorAll("#entries li")].findIndex((item) => item.getAttribute("aria-selected") === "true"));

  it("is reached with Tab and walked with arrow keys, and the picture follows", () =>
    open("kiosk-month", {}, async (page) => {
      const entries = await count(page, "#entries li");
      await page.locator("#life-heading").evaluate((heading) => { heading.tabIndex = -1; heading.focus(); });
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.parentElement.id), "entries");
      assert.equal(await chosen(page), 0);
      const lines = [];
      for (const [key, place] of [["ArrowDown", 1], ["ArrowDown", 2], ["ArrowUp", 1], ["PageDown", 11], ["End", entries - 1], ["Home", 0]]) {
        await page.keyboard.press(key);
        assert.equal(await chosen(page), place, key);
        const focused = page.locator("#entries li:focus");
        assert.equal(await focused.getAttribute("aria-selected"), "true");
        const [above, below] = await focused.evaluate((item) => {
          const [list, own] = [item.parentElement, item].map((each) => each.getBoundingClientRect());
          return [own.top - list.top, list.bottom - own.bottom];
        });
        assert.ok(above >= -1 && below >= -1, `${key}: the entry is out of sight, ${above} px from above, ${below} px from below`);
        assert.equal(await count(page, ".life .chosen"), 2, "a line in each picture");
        lines.push(Number(await page.locator("#life-lanes .chosen").getAttribute("x1")));
      }
      assert.ok(lines[4] > lines[5] + 500, `the line went along: ${lines}`);
      await page.keyboard.press("PageDown");
      await page.locator(".life").screenshot({ path: join(SCREENSHOTS, "life-chosen.png") });
      await page.keyboard.press("Tab");
      assert.notEqual(await page.evaluate(() => document.activeElement.parentElement?.id), "entries", "one Tab leaves it");
    }));

  it("is chosen from by a click in the picture", () =>
    open("kiosk-month", {}, async (page) => {
      const { life } = await dataOf(page);
      const lanes = page.locator("#life-lanes svg");
      const { width, height } = await lanes.boundingBox();
      await lanes.click({ position: { x: 46 + (width - 46 - 14) / 2, y: height / 2 } });
      const { at } = life.entries[await chosen(page)];
      const nearest = Math.min(...life.entries.map((entry) => Math.abs(entry.at - 14 * 86_400_000)));
      assert.ok(Math.abs(at - 14 * 86_400_000) <= nearest + 3_600_000, `${at}`);
    }));

  it("shows violations among the rest", () =>
    open("violations", {}, async (page) => {
      assert.ok((await count(page, "#entries .lane-violations")) > 0);
      assert.equal(await count(page, "section.verdict.bad ol li"), Math.min(100, report("violations").violations.length));
    }));

  it("says what is left out", () =>
    open("long-life", {}, async (page) => {
      assert.match(await page.locator(".life .note").innerText(), /first 400 entries and the last 400 .* left out: .* encryption events/);
      assert.equal(await count(page, '#life-sessions g.left-out rect'), 1);
      assert.equal(await count(page, "#entries .gap"), 1);
    }));
});

it("what a hostile server writes stays text", () =>
  open("hostile-names", {}, async (page) => {
    assert.match(await page.title(), /^hostile-names: /);
    assert.equal(await count(page, "img, main b, main svg[onload], [onclick], [onerror]"), 0);
    assert.equal(await count(page, "script"), 4);
    assert.match(await page.locator("#life-heading").innerText(), /<script>document\.title='broken'<\/script>/);
    // Were it not escaped, the policy would still not run it.
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'broken'";
      document.addEventListener("securitypolicyviolation", () => { document.body.dataset.refused = "yes"; });
      document.body.append(script);
    }).catch(() => {});
    assert.match(await page.title(), /^hostile-names: /);
  }).catch((error) => {
    // The refusal is on the console, and that is the only thing there.
    assert.match(error.message, /Content Security Policy/);
    assert.doesNotMatch(error.message, /request:/);
  }));

for (const colorScheme of ["light", "dark"]) {
  it(`colours can be told from the ground in ${colorScheme}`, () =>
    open("nothing", { colorScheme }, async (page) => {
      const colors = await page.evaluate(() => {
        const style = getComputedStyle(document.documentElement);
        const names = ["page", "raised", "shade", "text", "quiet", "limit", "event", "fresh", "violation", "good", "focus"];
        return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
      });
      const at_least = (least, front, back) => {
        const ratio = contrast(colors[front], colors[back]);
        assert.ok(ratio >= least, `${front} on ${back}: ${ratio.toFixed(2)}`);
      };
      for (const ground of ["page", "raised"]) {
        for (const text of ["text", "quiet", "limit", "event", "fresh", "violation", "good"]) at_least(4.5, text, ground);
        at_least(3, "focus", ground);
      }
      at_least(4.5, "text", "shade");
      for (const drawn of ["limit", "event", "fresh", "violation", "focus"]) at_least(3, drawn, "shade");
    }));
}

// The contrast ratio of WCAG 2.
function contrast(...colors) {
  const luminance = (color) => {
    const parts = color.match(/[0-9a-f]{2}/g).map((part) => parseInt(part, 16) / 255);
    const [red, green, blue] = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [darker, lighter] = colors.map(luminance).sort((a, b) => a - b);
  return (lighter + 0.05) / (darker + 0.05);
}

it("can be printed, with its tables", () =>
  open("kiosk-month", {}, async (page) => {
    await page.pdf({ path: join(SCREENSHOTS, "kiosk-month.pdf"), format: "A4" });
    assert.equal(await count(page, "figure details:not([open])"), 0);
  }));
