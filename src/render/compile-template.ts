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
  return new Renderer(columns, {
    hasOneForm: typeof model === 'string',
    writeId: id === undefined ? null : copyName(columns, id.column, true),
    head: `"url":${JSON.stringify(template.endpoint)},"body":`,
    body: bodyPieces(template).flatMap((piece) => ('json' in piece ? [piece.json] : slots[piece.slot]())),
  });
}

/** The parts of the lines of a template, in order. */
interface LineParts {
  readonly hasOneForm: boolean;
  readonly writeId: RowWriter | null;
  readonly head: string;
  readonly body: readonly LineStep[];
}

/** Renders rows as request lines. One object is reused for all rows. */
export class Renderer {
  /** The columns that each row must have. */
  readonly columns: readonly string[];
  /** The line of the last row; after a fault, an object with its `custom_id`, if that is known. Valid until the next row. */
  readonly line: LineBuffer = new LineBuffer();
  /** True if rows fill only texts, images and ids of their lines, so that model and form of the request are the same in all of them. */
  readonly hasOneForm: boolean;
  /** The offsets of the last line's parts, after a row without a fault; those of the id are both 0 if it has none. */
  idStart = 0;
  idEnd = 0;
  bodyStart = 0;
  bodyEnd = 0;
  private readonly row: RowColumns;
  private readonly writeId: RowWriter | null;
  private readonly isAscii: boolean;
  private readonly head: Buffer;
  private readonly steps: readonly (Buffer | RowWriter)[];

  constructor(columns: readonly string[], { hasOneForm, writeId, head, body }: LineParts) {
    this.columns = columns;
    this.hasOneForm = hasOneForm;
    this.row = new RowColumns(columns);
    this.writeId = writeId;
    this.head = Buffer.from(`${writeId === null ? '{' : ','}${head}`);
    this.steps = joined(body);
    this.isAscii = this.steps.every(
      (step) => typeof step === 'function' || step.every((byte) => byte < 0x80),
    );
  }

  /** False if all characters of the last line that are not ASCII are copied from its row. */
  get addsWideText(): boolean {
    return !this.isAscii || this.line.hasWideText;
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
    const idFault = this.writeId === null ? null : this.openWithId(this.writeId);
    if (idFault !== null) return this.refuse(idFault, null);
    line.copy(this.head);
    this.bodyStart = line.length;
    for (const step of this.steps) {
      if (typeof step !== 'function') line.copy(step);
      else {
        const fault = step(row, line);
        if (fault !== null) return this.refuse(fault, this.writeId);
      }
    }
    this.bodyEnd = line.length;
    line.copy(closing);
    return null;
  }

  /** Writes the opening of the line and its id. */
  private openWithId(writeId: RowWriter): LineFault | null {
    const { row, line } = this;
    line.copy(idKey);
    const start = line.length;
    const fault = writeId(row, line);
    const isNull = line.bytes[start] === 0x6e;
    this.idStart = isNull ? 0 : start;
    this.idEnd = isNull ? 0 : line.length;
    return fault;
  }

  private refuse(fault: LineFault, writeId: RowWriter | null): LineFault {
    const { row, line } = this;
    line.clear();
    if (writeId === null) line.write('{');
    else {
      line.copy(idKey);
      writeId(row, line); // it was written before
    }
    line.copy(closing);
    return fault;
  }
}

const idKey = Buffer.from('{"custom_id":');
const closing = Buffer.from('}');

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
