export { detectDialect, type Dialect } from '@clove/contracts';
