/**
 * The parts of ECharts that the charts use. `npm run build` bundles them into one file: the library's many modules take ten times
 * as long to load, and its package has 60 MB.
 */
import { BarChart, CustomChart, LineChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, CustomChart, LineChart, GridComponent, SVGRenderer]);

export { init };
