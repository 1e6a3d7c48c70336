import type { JobReport } from '../core/progress.ts';
import { count, duration, percent, usd } from '../core/number-format.ts';
import { html, Html } from './html.ts';
import { pageStyle } from './page-style.ts';

/** The data of the head of the page. */
export interface PageHead {
  readonly report: JobReport;
  /** Name of the input file; null where it is not known. */
  readonly input: string | null;
  /** Lines of the input that were refused, with `--skip-bad-lines`; they are part of `failed`. */
  readonly rejected: number;
}

/** The page loads nothing and runs no scripts: it contains its styles and charts. */
const policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** Returns `report.html`, a self-contained file, from the numbers of `report.json` and the HTML of `drawReport`. */
export function reportPage(head: PageHead, drawn: string): string {
  const { report, input } = head;
  const tookMs = Date.parse(report.finished_at) - Date.parse(report.started_at);
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>
          Job ${report.job_id}: ${count(report.answered)} of ${count(report.lines)} lines answered
        </title>
        <style>
          ${new Html(pageStyle)}
        </style>
      </head>
      <body>
        <header>
          <h1><small>durable-batch report</small>Job ${report.job_id}</h1>
          <p>
            ${input === null ? null : html`Input <code>${input}</code>, `}started ${when(report.started_at)},
            finished ${when(report.finished_at)}: ${duration(tookMs)}.
          </p>
        </header>
        <main>${tiles(report)} ${notes(head)} ${new Html(drawn)}</main>
        <footer>
          For programs, the totals and the errors are in <code>report.json</code>, and the row of each line in
          <code>results.jsonl</code>, both in the folder of this page. The page contains ids, counts and line
          numbers, but no text of a request or an answer.
        </footer>
      </body>
    </html> `.text;
}

function tiles(report: JobReport): Html {
  const { lines, answered, failed, cancelled, cost_usd: cost, cost_usd_without_batch: list } = report;
  const share = (n: number): string => percent(lines === 0 ? 0 : n / lines);
  return html`<dl class="tiles">
    ${tile('answered', count(answered), `${share(answered)} of ${count(lines)} lines`, '--answered')}
    ${tile('failed', count(failed), share(failed), failed > 0 ? '--failed' : null)}
    ${cancelled > 0 ? tile('cancelled', count(cancelled), share(cancelled), '--cancelled') : null}
    ${tile('batches', count(report.batches), `in ${report.rounds} ${report.rounds === 1 ? 'round' : 'rounds'}`, null)}
    ${tile('tokens', count(report.input_tokens + report.output_tokens), `${count(report.input_tokens)} in, ${count(report.output_tokens)} out`, null)}
    ${tile('cost', cost === null ? 'not known' : usd(cost), cost === null ? (report.notes === undefined ? 'a model has no known price' : 'see below') : `${usd(list ?? 0)} without batches`, null)}
  </dl>`;
}

function tile(name: string, value: string, more: string, accent: string | null): Html {
  const long = value.length > 12 ? html` class="long"` : null;
  const style = accent === null ? null : html` style="--accent:var(${accent})"`;
  return html`<div${style}><dt>${name}</dt><dd${long}>${value}<small>${more}</small></dd></div>`;
}

/** The most important notes on the job. */
function notes({ report, rejected }: PageHead): Html | null {
  const { duplicates, cancelled, reused = 0, notes: more = [] } = report;
  const list: Html[] = [];
  if (reused > 0)
    list.push(
      html`<strong>${count(reused)}</strong> of the answered lines had been answered before, by earlier jobs
        of the series: they were not sent again, and are no part of batches, tokens and cost.`,
    );
  if (rejected > 0)
    list.push(
      html`<strong>${count(rejected)}</strong> of the failed lines were not valid requests and were never
        sent: their rows contain the reason.`,
    );
  if (cancelled > 0)
    list.push(html`The job was cancelled: <strong>${count(cancelled)}</strong> lines have no answer.`);
  if (duplicates != null) {
    const { batches, answers, cost_usd: cost } = duplicates;
    const created = batches === 1 ? '1 batch that was' : `${count(batches)} batches that were`;
    const price = cost === null ? 'price not known' : `${usd(cost)}, part of the cost`;
    list.push(
      html`<strong>Paid twice:</strong> ${count(answers)} answers of ${created} created twice (${price}).`,
    );
  }
  for (const note of more) list.push(html`${note}`);
  return list.length === 0
    ? null
    : html`<ul class="notes">
        ${list.map((note) => html`<li>${note}</li>`)}
      </ul>`;
}

function when(iso: string): string {
  return `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}
