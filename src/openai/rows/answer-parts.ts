import { NOT_JSON, type JsonScanner, type OnMember } from '../../core/json-scan.ts';

/** The members of a body that contain the answer: of chat completions, and of responses. */
const CHOICES = 'choices';
const OUTPUT = 'output';

/** Containers around an answer. */
const DEPTH = 8;

/**
 * Finds the text of an answer while its row is scanned, so that its bytes are scanned once. It finds the text of usual answers: one
 * choice with a message, or one output text. `readAnswer` reads all others.
 */
export class AnswerParts {
  /** The text as JSON, quotes included. */
  readonly text: [start: number, end: number] = [0, 0];
  private readonly scanner: JsonScanner;
  private end = 0;
  private texts = 0;
  private items = 0;
  private isMessage = false;
  private readonly found: [start: number, end: number] = [0, 0];
  private isOutputText = false;

  constructor(scanner: JsonScanner) {
    this.scanner = scanner;
  }

  clear(): void {
    this.text[1] = 0;
  }

  /** True for the member of a body that contains the answer. */
  isAnswer(keyStart: number, keyEnd: number): boolean {
    const { scanner } = this;
    return scanner.keyIs(keyStart, keyEnd, CHOICES) || scanner.keyIs(keyStart, keyEnd, OUTPUT);
  }

  /** Scans the member of a body that contains the answer; returns the offset after it, or NOT_JSON. */
  scan(keyStart: number, keyEnd: number, start: number, end: number): number {
    this.end = end;
    this.texts = 0;
    this.items = 0;
    this.clear();
    const isChoices = keyEnd - keyStart === CHOICES.length;
    const close = this.scanItems(start, isChoices ? this.onChoice : this.onItem);
    if (this.texts !== 1 || (isChoices && this.items !== 1)) this.clear();
    return close;
  }

  private readonly onChoice: OnMember = (keyStart, keyEnd, at) =>
    this.scanner.keyIs(keyStart, keyEnd, 'message') && this.scanner.block[at] === 0x7b
      ? this.scanner.scanObject(at, this.end, this.onMessage)
      : this.skip(at);

  private readonly onMessage: OnMember = (keyStart, keyEnd, at) => {
    const close = this.skip(at);
    if (this.scanner.keyIs(keyStart, keyEnd, 'content')) this.take(at, close);
    return close;
  };

  private readonly onItem: OnMember = (keyStart, keyEnd, at) => {
    const { scanner } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'content')) return this.scanItems(at, this.onPart);
    const close = this.skip(at);
    if (scanner.keyIs(keyStart, keyEnd, 'type')) this.isMessage = scanner.keyIs(at + 1, close - 1, 'message');
    return close;
  };

  private readonly onPart: OnMember = (keyStart, keyEnd, at) => {
    const close = this.skip(at);
    const { scanner } = this;
    if (scanner.keyIs(keyStart, keyEnd, 'text')) {
      this.found[0] = at;
      this.found[1] = close;
    } else if (scanner.keyIs(keyStart, keyEnd, 'type')) {
      this.isOutputText = scanner.keyIs(at + 1, close - 1, 'output_text');
    }
    return close;
  };

  /** Scans a list whose objects have these members; any other value is skipped. */
  private scanItems(at: number, onMember: OnMember): number {
    const { scanner, end } = this;
    if (scanner.block[at] !== 0x5b) return this.skip(at);
    at = scanner.skipSpace(at + 1, end);
    if (scanner.block[at] === 0x5d && at < end) return at + 1;
    while (at < end) {
      const before = this.texts;
      this.isOutputText = false;
      if (onMember === this.onItem) this.isMessage = false;
      this.found[1] = 0;
      at = scanner.block[at] === 0x7b ? scanner.scanObject(at, end, onMember) : this.skip(at);
      if (at === NOT_JSON) return NOT_JSON;
      if (onMember === this.onPart) {
        if (this.isOutputText) this.take(this.found[0], this.found[1]);
      } else {
        this.items += 1;
        // A text of an item that is no message is no answer.
        if (onMember === this.onItem && !this.isMessage && this.texts > before) this.texts = 2;
      }
      at = scanner.skipSpace(at, end);
      if (at >= end) return NOT_JSON;
      if (scanner.block[at] === 0x5d) return at + 1;
      if (scanner.block[at] !== 0x2c) return NOT_JSON;
      at = scanner.skipSpace(at + 1, end);
    }
    return NOT_JSON;
  }

  private take(start: number, close: number): void {
    if (close <= 0 || this.scanner.block[start] !== 0x22) return;
    this.texts += 1;
    this.text[0] = start;
    this.text[1] = close;
  }

  private skip(at: number): number {
    return this.scanner.scanValue(at, this.end, DEPTH);
  }
}
