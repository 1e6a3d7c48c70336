import { html, type Html } from './html.ts';

/** A table that scrolls if the page is too narrow. Columns of numbers are right-aligned. */
export function table(name: string, heads: readonly string[], rows: readonly (readonly string[])[]): Html {
  const isNumeric = heads.map((_, column) => column > 0 && rows.every((row) => isNumber(row[column]!)));
  const side = (column: number): Html | null => (isNumeric[column] === true ? html` class="n"` : null);
  return html`<div class="scroll" role="region" aria-label="${name}" tabindex="0">
    <table>
      <thead>
        <tr>
          ${heads.map((head, column) => html`<th scope="col" ${side(column)}>${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first ?? ''}</th>
              ${rest.map((cell, i) => html`<td ${side(i + 1)}>${cell}</td>`)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** True for counts, amounts, percentages, durations, and the dash for none. */
function isNumber(cell: string): boolean {
  return cell === '–' || /^(?:\$?[0-9][0-9,. ]*|min|[sdh%() ]|not known)+$/.test(cell);
}
