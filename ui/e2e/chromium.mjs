// Drives the built window in Chromium through every state, light and dark. SHOTS=folder keeps pictures.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import * as dashboards from '../fixtures/dashboards.js';
import { launch, open, serve, violations } from './page.mjs';

/** @import { Page } from 'playwright-core' */
/** @import { Dashboard } from '../src/api/types' */

const shots = process.env.SHOTS;
const sizes = [
  { width: 1000, height: 720 },
  { width: 760, height: 600 },
];

/** Answers with the same state for each range. @param {(days?: number) => Dashboard} make */
const always = (make) => ({ revision: 1, dashboard: { 7: make(7), 30: make(30), 90: make(90) } });

/** Each state, and what must then stand on the page. @satisfies {Record<string, { answers: Record<string, unknown>, check: (page: Page) => Promise<void> }>} */
const states = {
  ordinary: {
    answers: always(dashboards.ordinary),
    async check(page) {
      await says(page, 'today', '$12.34');
      await says(page, 'state', /^Live\s+· updated 3 s ago$/);
      assert.equal(await page.getByTestId('day-bar').count(), 30);
      assert.equal(await page.getByTestId('model-row').count(), 9);
      assert.equal(await page.getByTestId('notice').count(), 0);
      assert.deepEqual(await page.getByTestId('gateway-state').allInnerTexts(), [
        'connected',
        'offline since 15:03',
      ]);
      assert.match(await page.getByTestId('gateway').nth(1).innerText(), /14:58 \(34 min ago\)/);
      await says(page, 'quota', /^Claude 5h\s.*91 %\s+resets 17:00\s+told 4 min ago$/s);
      assert.deepEqual(
        await page.getByRole('meter').evaluateAll((all) => all.map((each) => each.ariaValueText)),
        ['91 % used', '24 % used'],
      );
    },
  },
  'catching-up': {
    answers: always(dashboards.catchingUp),
    async check(page) {
      await says(page, 'state', /^Catching up 42 % · 12 s left/);
      await says(page, 'catching-up', /1,204 of 2,316 files · 471 MB of\s+1\.1 GB/);
      await says(page, 'today', '$12.34');
    },
  },
  'first-run': {
    answers: always(dashboards.firstRun),
    async check(page) {
      await says(page, 'first-run', /No agent logs found yet.*CLAUDE_CONFIG_DIR.*OPENCLAW_STATE_DIR/s);
      assert.equal(await page.getByTestId('today').count(), 0);
      await page.getByRole('button', { name: 'Open config' }).click();
      assert.deepEqual((await calls(page, 'open_config')).length, 1);
    },
  },
  waiting: {
    answers: always(dashboards.waiting),
    async check(page) {
      const command = 'openclaw devices approve 1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101';
      await says(
        page,
        'notice',
        `Gateway lab: waiting for approval. On the gateway’s machine, run: ${command}`,
      );
      const field = page.getByTestId('command');
      assert.equal(await field.inputValue(), command);
      await field.focus();
      assert.equal(await page.evaluate(() => getSelection()?.toString()), command);
      await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
      await page.getByRole('button', { name: 'Copy' }).click();
      await page.getByText('Copied').waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
    },
  },
  unpriced: {
    answers: always(dashboards.unpriced),
    async check(page) {
      await says(page, 'today', '$12.34');
      await says(page, 'notice', /No price is known for mystery-coder-1-preview\. .*lower bounds/);
      assert.match(await page.locator('.figure').innerText(), /≥\s*\$12\.34/);
      assert.match(await page.locator('[data-model="mystery-coder-1-preview"]').innerText(), /unpriced/);
    },
  },
  problems: {
    answers: always(dashboards.problems),
    async check(page) {
      assert.deepEqual(
        await page.getByTestId('notice').evaluateAll((all) => all.map((each) => each.dataset.tone)),
        ['danger', 'warn', 'warn', 'info', 'info'],
      );
      await page.getByText('2 more notices').click();
      await says(page, 'notifications', /Paused until 16:30/);
      await page.getByRole('button', { name: 'Resume' }).click();
      assert.deepEqual(await calls(page, 'pause_notifications'), [{ until: null }]);
    },
  },
  stopped: {
    answers: always(dashboards.stopped),
    async check(page) {
      await says(page, 'state', /^Not following/);
      await says(page, 'notice', /Figures stand as of 20 Nov, 12:32\. Start Clawspend’s tray app/);
      assert.equal(await page.getByTestId('gateways').count(), 0);
      await says(page, 'quota', /91 % used 3 h ago; empty again since 14:32$/);
    },
  },
  quiet: {
    answers: always(dashboards.quiet),
    async check(page) {
      await says(page, 'today', '$0.00');
      await page.getByText('Nothing was spent on these days.').waitFor();
    },
  },
  refused: {
    answers: {
      revision: {
        throws: {
          code: 'ledger',
          message: 'opening the ledger: it was written by a newer Clawspend',
          hint: 'update Clawspend',
        },
      },
    },
    async check(page) {
      await says(page, 'state', 'Not answering');
      await says(
        page,
        'unreadable',
        /Opening the ledger: it was written by a newer Clawspend\.\s+Update Clawspend\./,
      );
    },
  },
};

/** @param {Page} page @param {string} id @param {string | RegExp} text */
async function says(page, id, text) {
  const found = page.getByTestId(id).first();
  await found.waitFor();
  const words = (await found.innerText()).trim().replace(/\n/g, ' ');
  if (typeof text === 'string') assert.equal(words, text);
  else assert.match(words, text);
}

/** The arguments of each call of `command`. @param {Page} page @param {string} command */
const calls = (page, command) =>
  page.evaluate(
    (wanted) =>
      /** @type {any} */ (window).calls
        .filter((/** @type {[string, unknown]} */ [name]) => name === wanted)
        .map((/** @type {[string, unknown]} */ call) => call[1]),
    command,
  );

/** Keeps a picture, where pictures are wanted. @param {Page} page @param {string} name */
async function keep(page, name) {
  if (!shots) return;
  const theme = await page.evaluate(() =>
    matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light',
  );
  const file = `${shots}/${name}-${theme}-${page.viewportSize()?.width}`;
  await page.screenshot({ path: `${file}.png` });
  await page.screenshot({ path: `${file}-whole.png`, fullPage: true });
}

/** What a person does with the keyboard alone. @param {Page} page */
async function useKeyboard(page) {
  await page.getByTestId('range-7').focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelectorAll('[data-testid=day-bar]').length === 7);
  assert.equal(await page.getByTestId('range-7').getAttribute('aria-pressed'), 'true');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  const tip = page.getByRole('tooltip');
  await tip.getByText('Friday 20 November').waitFor();
  await page.keyboard.press('ArrowLeft');
  await tip.getByText('Thursday 19 November').waitFor();
  await page.keyboard.press('Home');
  await tip.getByText('Saturday 14 November').waitFor();
  assert.deepEqual(await violations(page), [], 'with the tooltip open');
  await page.keyboard.press('End');
  await keep(page, 'seven-days');
  await page.keyboard.press('Escape');
  await tip.waitFor({ state: 'detached' });
  await page.getByTestId('range-90').press('Enter');
  await page.locator('[data-day="2026-10-03"]').hover();
  await tip.getByText('Saturday 3 October').waitFor();
  await keep(page, 'ninety-days');
  await page.getByTestId('by-project').press('Enter');
  assert.equal(await page.getByTestId('project-row').count(), 6);
  await page.getByTestId('by-session').focus();
  await page.keyboard.press('Space');
  assert.equal(await page.getByTestId('session-row').count(), 10);
  await page.getByRole('button', { name: 'Show all 34' }).press('Enter');
  assert.equal(await page.getByTestId('session-row').count(), 34);
}

/** A gateway is added with the keyboard alone, under the product's own content security policy. @param {Page} page */
async function addGateway(page) {
  await page.getByRole('button', { name: 'Add a gateway' }).press('Enter');
  await page.keyboard.type('lab');
  await page.keyboard.press('Tab');
  await page.keyboard.type('ws://lab.example.org');
  await page.keyboard.press('Tab');
  await page.getByRole('alert').getByText('ws://lab.example.org is not encrypted.').waitFor();
  assert.deepEqual(await violations(page), [], 'with the form open');
  await page.keyboard.type('SECRET');
  await keep(page, 'add-gateway');
  await page.keyboard.press('Enter');
  await page.getByText('lab is added.').waitFor();
  assert.deepEqual(await calls(page, 'add_gateway'), [
    { name: 'lab', url: 'ws://lab.example.org', token: 'SECRET' },
  ]);
  await page.getByRole('button', { name: 'Remove', exact: true }).press('Enter');
  await keep(page, 'remove-gateway');
  await page.getByRole('button', { name: 'Remove office' }).press('Enter');
  await page.getByRole('button', { name: 'Remove office' }).waitFor({ state: 'detached' });
  assert.deepEqual(await calls(page, 'remove_gateway'), [{ name: 'office' }]);
}

/** A change in the ledger shows without anyone asking; a failure keeps the last good figures. @param {Page} page */
async function change(page) {
  await page.evaluate(() => {
    const answers = /** @type {any} */ (window).answers;
    answers.dashboard[30].summary.today.cost = 12_560_000_000;
    answers.revision = 2;
  });
  await page.getByTestId('today').getByText('$12.56').waitFor();
  await page.evaluate(() => {
    /** @type {any} */ (window).answers.revision = {
      throws: { code: 'busy', message: 'reading the ledger: busy', hint: 'wait' },
    };
  });
  await page.getByTestId('notice').getByText('Reading the ledger: busy.').waitFor();
  await says(page, 'today', '$12.56');
}

if (shots) await mkdir(shots, { recursive: true });
const server = await serve();
const browser = await launch();
let pages = 0;
try {
  for (const theme of /** @type {const} */ (['light', 'dark'])) {
    for (const [name, { answers, check }] of Object.entries(states)) {
      for (const size of sizes) {
        const { page, complaints, close } = await open(browser, { url: server.url, answers, theme, size });
        await page.locator('[data-state]:not([data-state=loading])').first().waitFor();
        await keep(page, name);
        await check(page);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.equal(wide, 0, `${name} at ${size.width} scrolls sideways`);
        if (size === sizes[0]) assert.deepEqual(await violations(page), [], `${name}, ${theme}`);
        assert.deepEqual(complaints, [], `${name}, ${theme}`);
        await close();
        pages += 1;
      }
    }
    const { page, complaints, close } = await open(browser, {
      url: server.url,
      answers: states.ordinary.answers,
      theme,
    });
    await page.getByTestId('today').waitFor();
    await change(page);
    await close();
    assert.deepEqual(complaints, []);
    const again = await open(browser, { url: server.url, answers: states.ordinary.answers, theme });
    await again.page.getByTestId('today').waitFor();
    await useKeyboard(again.page);
    await keep(again.page, 'sessions');
    await again.close();
    const third = await open(browser, {
      url: server.url,
      answers: { ...states.ordinary.answers, gateway_warning: 'ws://lab.example.org is not encrypted' },
      theme,
    });
    await addGateway(third.page);
    await third.close();
    assert.deepEqual(third.complaints, []);
  }
  console.log(
    `${pages} pages in ${Object.keys(states).length} states, light and dark: all as expected, no violation, no complaint`,
  );
} finally {
  await browser.close();
  await server.close();
}
