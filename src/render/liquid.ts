/** The parts of liquidjs that templates use. `npm run build` bundles them, so that users do not install the library. */
export {
  AssignTag,
  CommentTag,
  Context,
  IfTag,
  InlineCommentTag,
  Liquid,
  LiquidError,
  Output,
  TokenKind,
  toValue,
  toValueSync,
  UnlessTag,
  type Template,
  type Token,
  type Value,
} from 'liquidjs';
