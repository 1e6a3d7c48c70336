import { costSection } from './cost-by-model.ts';
import { errorsSection } from './errors-by-kind.ts';
import { html } from './html.ts';
import type { ReportData } from './report-data.ts';
import { roundsSection } from './lines-by-round.ts';
import { shardsSection } from './shard-table.ts';
import { timelineSection } from './timeline.ts';

/**
 * Returns the charts and tables of a job's report as HTML for `reportPage`. Loads the chart library, which takes 60 ms, and some
 * tens of MB while it draws.
 */
export function drawReport({ startedAt, shards, models, costs, priceSources }: ReportData): string {
  return html`${timelineSection(startedAt, shards)} ${roundsSection(shards)} ${errorsSection(shards)}
  ${costSection(models, costs, priceSources)} ${shardsSection(startedAt, shards)}`.text;
}
