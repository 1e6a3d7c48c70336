/**
 * A fast reading of the rows of results that most jobs consist of: a chat completion with one text, with its members in the order in which the
 * API sends them. Parsing a row takes several times as long.
 */

/** What a table has of a row; the id and the text are strings of JSON, as they are in the row. */
export interface PlainRow {
  readonly line: number;
  readonly id: string;
  readonly text: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/** From the start of the row, so that no text inside of a string matches. */
const START =
  /^\{"line":(\d+),"id":("[^"\\]*(?:\\.[^"\\]*)*"),"status":"answered","attempts":\d+,"batch_id":(?:null|"[^"\\]*"),"response":\{"id":"[^"\\]*","object":"chat\.completion","created":\d+,"model":"[^"\\]*","choices":\[\{"index":0,"message":\{"role":"assistant","content":(?=")/;

/** After the text: the rest of the only choice. */
const REST =
  /^(?:,"refusal":null)?(?:,"annotations":\[\])?\}(?:,"logprobs":null)?(?:,"finish_reason":"stop")?(?:,"logprobs":null)?\}\](?=[,}])/;

/** The last members of a row. */
const END = /,"error":null,"usage":\{"input_tokens":(\d+),"output_tokens":(\d+)\}\}$/;

/** Reads a row; null if it is of any other form, and must be parsed. */
export function readPlainRow(row: string): PlainRow | null {
  const start = START.exec(row);
  if (start === null) return null;
  const from = start[0].length;
  const to = endOfString(row, from);
  const rest = row.slice(to);
  const end = END.exec(rest);
  // A second list of choices would be the one that counts.
  if (end === null || !REST.test(rest) || rest.includes('"choices"') || rest.includes('\\')) return null;
  return {
    line: Number(start[1]),
    id: start[2]!,
    text: row.slice(from, to),
    inputTokens: Number(end[1]),
    outputTokens: Number(end[2]),
  };
}

/** The end of the JSON string that starts at `from`, behind its last quote. */
function endOfString(json: string, from: number): number {
  for (let end = json.indexOf('"', from + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let before = end;
    while (json[before - 1] === '\\') before -= 1;
    if ((end - before) % 2 === 0) return end + 1;
  }
  return json.length;
}
