import type { LineFault } from '../core/request-line.ts';
import type { TemplateNames } from './column-uses.ts';
import { writeImages, type ReadImage } from './image-writer.ts';
import { LineBuffer } from './line-buffer.ts';
import { bodyPieces, Slot } from './request-body.ts';
import type { ColumnReference, RequestTemplate } from './request-template.ts';
import { RowColumns } from './row-columns.ts';
import { TextTemplate } from './text-template.ts';
import { copyName, quoted, textSteps, type LineStep, type RowWriter } from './text-writer.ts';

/** Options of `compileTemplate`. */
export interface CompileOptions {
  /** The files of the texts, for messages. */
  readonly names?: TemplateNames;
  /** Reads the file of an image. @default paths of images are refused */
  readonly readImage?: ReadImage;
}

/**
 * Compiles a checked template (`parseRequestTemplate`).
 * @throws BatchError `bad_input` naming file, line and column of a text that is not a Liquid template
 */
export function compileTemplate(template: RequestTemplate, options: CompileOptions = {}): Renderer {
  const { names = {}, readImage = refuseFiles } = options;
  const { model, images, id } = template;
  const prompt = new TextTemplate(template.prompt, names.prompt ?? 'prompt');
  const system = new TextTemplate(template.system ?? '', names.system ?? 'system');
  const referenced = [model, images, id].filter((from): from is ColumnReference => typeof from === 'object');
  const columns = [
    ...new Set([...prompt.columns, ...system.columns, ...referenced.map(({ column }) => column)]),
  ];

  const slots: Readonly<Record<Slot, () => LineStep[]>> = {
    [Slot.Model]: () => [
      typeof model === 'string' ? JSON.stringify(model) : copyName(columns, model.column, false),
    ],
    [Slot.Prompt]: () => textSteps(prompt, columns, { mustHaveText: true }),
    [Slot.System]: () => textSteps(system, columns),
    [Slot.Images]: () =>
      images === undefined ? [] : [writeImages({ ...template, images }, columns, readImage)],
  };
  const writeId = id === undefined ? null : copyName(columns, id.column, true);
  return new Renderer(columns, writeId, [
    ...(writeId === null ? ['{'] : ['{"custom_id":', writeId, ',']),
    `"url":${JSON.stringify(template.endpoint)},"body":`,
    ...bodyPieces(template).flatMap((piece) => ('json' in piece ? [piece.json] : slots[piece.slot]())),
    '}',
  ]);
}

/** Renders rows as request lines. One object is reused for all rows. */
export class Renderer {
  /** The columns that each row must have. */
  readonly columns: readonly string[];
  /** The line of the last row; after a fault, an object with its `custom_id`, if that is known. Valid until the next row. */
  readonly line: LineBuffer = new LineBuffer();
  private readonly row: RowColumns;
  private readonly writeId: RowWriter | null;
  private readonly steps: readonly (Buffer | RowWriter)[];

  constructor(columns: readonly string[], writeId: RowWriter | null, steps: readonly LineStep[]) {
    this.columns = columns;
    this.row = new RowColumns(columns);
    this.writeId = writeId;
    this.steps = joined(steps);
  }

  /**
   * Renders `block[start..end)`, a JSON object in valid UTF-8. Returns null, or why there is no request: the end of a sentence about
   * the row, without text of the row.
   */
  render(block: Buffer, start: number, end: number): LineFault | null {
    const { row, line } = this;
    line.clear();
    if (!row.read(block, start, end)) return this.refuse(notAnObject, null);
    const missing = this.columns.find((_, column) => !row.has(column));
    if (missing !== undefined) {
      const advice = 'add it, or correct the name in the template';
      return this.refuse({ reason: `has no column ${quoted(missing)}`, advice }, null);
    }
    for (const step of this.steps) {
      if (typeof step !== 'function') line.copy(step);
      else {
        const fault = step(row, line);
        if (fault !== null) return this.refuse(fault, this.writeId);
      }
    }
    return null;
  }

  private refuse(fault: LineFault, writeId: RowWriter | null): LineFault {
    const { row, line } = this;
    line.clear();
    line.write('{');
    if (writeId !== null) {
      line.write('"custom_id":');
      if (writeId(row, line) !== null) line.length = 1;
    }
    line.write('}');
    return fault;
  }
}

const notAnObject: LineFault = {
  reason: 'is not a JSON object',
  advice: 'write one JSON object per row, on a line of its own',
};

/** Bytes for the JSON of each step; neighbouring ones become one. */
function joined(steps: readonly LineStep[]): (Buffer | RowWriter)[] {
  const joined: (Buffer | RowWriter)[] = [];
  let json = '';
  const flush = (): void => {
    if (json !== '') joined.push(Buffer.from(json));
    json = '';
  };
  for (const step of steps) {
    if (typeof step === 'string') json += step;
    else {
      flush();
      joined.push(step);
    }
  }
  flush();
  return joined;
}

function refuseFiles(): LineFault {
  return { reason: 'is a file', advice: 'use URLs' };
}
