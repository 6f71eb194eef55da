// Opens the built window in Chromium, with Rust's answers played by a fixture.
import { readFile } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { NOW } from '../fixtures/dashboards.js';

/** @import { Page } from 'playwright-core' */

const root = new URL('../..', import.meta.url);

/** Serves ui/dist under the product's own content security policy. */
export async function serve() {
  const config = JSON.parse(await readFile(new URL('tauri.conf.json', root), 'utf8'));
  const server = await preview({
    root: new URL('ui', root).pathname,
    logLevel: 'error',
    preview: { port: 0, host: '127.0.0.1', headers: { 'Content-Security-Policy': config.app.security.csp } },
  });
  return { url: String(server.resolvedUrls?.local[0]), close: () => server.close() };
}

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });

/**
 * A page whose commands are answered by `window.answers`, which a test may change.
 * @param {import('playwright-core').Browser} browser
 * @param {{ url: string, answers: Record<string, unknown>, theme: 'light' | 'dark', size?: { width: number, height: number } }} how
 */
export async function open(browser, { url, answers, theme, size = { width: 1000, height: 720 } }) {
  const context = await browser.newContext({
    colorScheme: theme,
    viewport: size,
    reducedMotion: 'reduce',
  });
  context.setDefaultTimeout(60_000);
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.clock.setFixedTime(NOW);
  await page.addInitScript(fakeIpc, answers);
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** Runs in the page. An answer may be a value, or `{ throws }`; dashboards are kept by number of days. */
function fakeIpc(/** @type {Record<string, any>} */ answers) {
  /** @type {[string, unknown][]} */
  const calls = [];
  Object.assign(window, {
    answers,
    calls,
    __TAURI_INTERNALS__: {
      invoke: async (/** @type {string} */ command, /** @type {any} */ args) => {
        calls.push([command, args]);
        let answer = answers[command] ?? null;
        if (command === 'dashboard' && answer && !answer.throws) answer = answer[args.days];
        if (answer?.throws) throw answer.throws;
        return structuredClone(answer);
      },
    },
  });
}

/** Every rule of axe that is violated, with the place. @param {Page} page */
export async function violations(page) {
  const axe = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await /** @type {any} */ (window).axe.run();
    return violations.flatMap((/** @type {any} */ rule) =>
      rule.nodes.map(
        (/** @type {any} */ node) => `${rule.id} at ${node.target.join(' ')}: ${node.failureSummary}`,
      ),
    );
  });
}
