/** The parts of liquidjs that templates use. `npm run build` bundles them, so that users do not install the library. */
export { Liquid, LiquidError, type Template } from 'liquidjs';
