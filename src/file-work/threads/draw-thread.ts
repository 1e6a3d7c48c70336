/** What the thread does that draws reports: apart from the others, as its library takes longer to load than all of theirs. */
import { drawReport as draw } from '../../report/draw-report.ts';
import type { ReportData } from '../../report/report-data.ts';

export const drawReport = ([story]: [story: ReportData]): string => draw(story);

/** Nothing: the thread is up, and its library loaded. A drawing ahead of time would take time of the job's own steps. */
export const warmUp = (): void => undefined;
