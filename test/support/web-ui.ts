import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];

/** The path of Chrome or Chromium, from CHROME_PATH or PATH; null if there is none. */
export function findBrowser(): string | null {
  const named = process.env['CHROME_PATH'];
  if (named !== undefined && named !== '') return named;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    for (const name of names) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not here: try the next one.
      }
    }
  }
  return null;
}

/** Texts appear after the page has queried the server, and the server a worker. */
const PATIENCE_MS = 20_000;

/**
 * Temporal's Web UI in a real headless browser. With SCREENSHOTS=docs/images it saves screenshots of the pages it reads, which are the
 * images of docs/web-ui.md.
 */
export class WebUi {
  private readonly browser: Browser;
  private readonly page: Page;
  private readonly namespace: string;

  private constructor(browser: Browser, page: Page, uiUrl: string) {
    this.browser = browser;
    this.page = page;
    this.namespace = `${uiUrl}/namespaces/default`;
  }

  static async open(executablePath: string, uiUrl: string): Promise<WebUi> {
    // Browsers do not start with a sandbox as root, as in containers; the only page is that of the test's own server.
    const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    const page = await browser.newPage({ viewport: { width: 1_680, height: 1_000 } });
    page.setDefaultTimeout(PATIENCE_MS);
    return new WebUi(browser, page, uiUrl);
  }

  /** A tab of a job's page; the first of them without a name. */
  async openJob(
    jobId: string,
    tab: 'timeline' | 'user-metadata' | 'search-attributes' | 'memo',
  ): Promise<void> {
    await this.page.goto(`${this.namespace}/workflows/${jobId}`);
    // The page finds the latest run and puts its id into the address.
    await this.page.waitForURL(new RegExp(`/workflows/${jobId}/[0-9a-f-]{36}`));
    if (tab === 'timeline') return;
    const { pathname } = new URL(this.page.url());
    const [run] = /^.*[0-9a-f-]{36}/.exec(pathname)!;
    await this.page.goto(`${new URL(this.page.url()).origin}${run}/${tab}`);
  }

  /** Reverses a timeline: it shows only as many rows as fit in the window. */
  async oldestFirst(): Promise<void> {
    await this.page.getByText('Descending', { exact: true }).click();
  }

  /** The list of workflows that a query finds. */
  async openList(query: string): Promise<void> {
    await this.page.goto(`${this.namespace}/workflows?query=${encodeURIComponent(query)}`);
  }

  /** Waits until every text is on the page, frames included: Markdown is shown in frames of its own. */
  async shows(...texts: (string | RegExp)[]): Promise<void> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const told = await this.text();
      const missing = texts.filter((text) =>
        typeof text === 'string' ? !told.includes(text) : !text.test(told),
      );
      if (missing.length === 0) return;
      if (Date.now() > end) throw new Error(`The page lacks ${missing.join(' and ')}. It shows:\n${told}`);
      await this.page.waitForTimeout(200);
    }
  }

  /** All visible text, with plain spaces. */
  async text(): Promise<string> {
    const parts: string[] = [];
    for (const frame of this.page.frames()) {
      // A frame that is being replaced has no text.
      parts.push(
        await frame
          .locator('body')
          .innerText({ timeout: 2_000 })
          .catch(() => ''),
      );
    }
    return parts.join('\n').replaceAll('\u00A0', ' ');
  }

  async picture(name: string): Promise<void> {
    const folder = process.env['SCREENSHOTS'];
    if (folder === undefined) return;
    await this.page.screenshot({ path: join(folder, `${name}.png`) });
  }

  async close(): Promise<void> {
    await this.browser.close();
  }
}
