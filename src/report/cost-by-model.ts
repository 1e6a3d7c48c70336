import type { BarSeriesOption } from 'echarts';
import type { RoundCost } from '../core/cost-sums.ts';
import { count, usd } from '../core/number-format.ts';
import { axisStyle, colour, drawChart, legend, shortened } from './chart.ts';
import { html, type Html } from './html.ts';
import type { ModelSum } from './report-data.ts';
import { table } from './table.ts';

const DRAWN = 8;
const LISTED = 50;

/** Tokens of each model, and their cost with and without batches. */
export function costSection(
  models: readonly ModelSum[],
  costs: readonly RoundCost[],
  sources: readonly string[],
): Html {
  const drawn = models.filter(({ listUsd }) => (listUsd ?? 0) > 0).slice(0, DRAWN);
  const listed = models.slice(0, LISTED);
  return html`<section>
    <h2>Tokens and cost by model</h2>
    <p>
      ${sources.length === 0 ? null : `Prices: ${sources.join('; ')}. `}Each paid row is priced by itself. If
      a price is not known, the sum is not known either.
    </p>
    ${drawn.length === 0 ? null : costChart(drawn)}
    ${table(
      'Tokens and cost by model',
      ['model', 'lines', 'tokens in', 'of these cached', 'tokens out', 'cost', 'without batches'],
      listed.map((model) => [
        shortened(model.model, 60),
        count(model.lines),
        count(model.inputTokens),
        count(model.cachedTokens),
        count(model.outputTokens),
        costText(model.batchUsd),
        costText(model.listUsd),
      ]),
    )}
    ${models.length > LISTED ? html`<p>${count(models.length - LISTED)} more models are not listed; the sums above include them.</p>` : null}
    ${costs.some(({ model, round }) => model === null || round !== 1) ? roundTable(costs) : null}
  </section>`;
}

function roundTable(costs: readonly RoundCost[]): Html {
  return table(
    'Tokens and cost by model and round',
    ['model', 'round', 'tokens in', 'of these cached', 'tokens out', 'cost', 'without batches'],
    costs.map((sum) => [
      sum.model === null ? 'all others' : shortened(sum.model, 60),
      sum.round === null ? '–' : String(sum.round),
      count(sum.inputTokens),
      count(sum.cachedTokens),
      count(sum.outputTokens),
      costText(sum.costUsd),
      costText(sum.costUsdWithoutBatch),
    ]),
  );
}

function costText(amount: number | null): string {
  return amount === null ? 'not known' : usd(amount);
}

function costChart(drawn: readonly ModelSum[]): Html {
  const label = `Cost by model: ${drawn
    .map(
      ({ model, batchUsd, listUsd }) =>
        `${shortened(model, 60)} ${usd(batchUsd ?? 0)}, without batches ${usd(listUsd ?? 0)}`,
    )
    .join('; ')}.`;
  const bars = [
    ['batchUsd', colour.answered],
    ['listUsd', colour.cancelled],
  ] as const;
  const chart = drawChart(label, (size) => ({
    height: drawn.length * 48 + 12,
    option: {
      grid: { left: size.isNarrow ? 110 : 190, right: 84, top: 4, bottom: 4 },
      xAxis: { type: 'value', show: false, min: 0 },
      yAxis: {
        type: 'category',
        inverse: true,
        data: drawn.map(({ model }) => shortened(model, size.isNarrow ? 15 : 26)),
        ...axisStyle,
        splitLine: { show: false },
      },
      series: bars.map(([key, fill]): BarSeriesOption => ({
        type: 'bar',
        silent: true,
        barWidth: 14,
        barGap: '20%',
        itemStyle: { color: fill },
        label: {
          show: true,
          position: 'right',
          color: 'var(--soft)',
          formatter: ({ value }) => usd(Number(value)),
        },
        data: drawn.map((model) => model[key] ?? 0),
      })),
    },
  }));
  return html`<figure>
    ${chart}${legend([
      [colour.answered, 'as batches'],
      [colour.cancelled, 'without batches'],
    ])}
  </figure>`;
}
