// Jest runs the TypeScript sources as they are: Node strips the types, so every line and column
// in a stack trace is that of the source. Suites that make network namespaces live in test/lab.
import type { Config } from 'jest';

const config: Config = {
  testEnvironment: 'node',
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  injectGlobals: false,
  coverageProvider: 'v8',
  collectCoverageFrom: ['{lib,net,kube,config,owners,controller,speaker}/**/*.ts', '!**/main.ts'],
};
export default config;
