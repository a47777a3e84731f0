/**
 * The command line of Clove. Programs use it through the `clove` executable; tests start stacks with `launch`.
 * @packageDocumentation
 */
export { type LaunchOptions, type Stack, launch } from './launcher/launch.js';
