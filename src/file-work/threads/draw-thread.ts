/** The thread that draws reports. It is separate because its chart library takes longer to load than all code of the others. */
import { drawReport as draw } from '../../report/draw-report.ts';
import type { ReportData } from '../../report/report-data.ts';

export const drawReport = ([data]: [data: ReportData]): string => draw(data);

/** Does nothing: the call starts the thread and loads the library. Drawing here would take time from the job's own steps. */
export const warmUp = (): void => undefined;
