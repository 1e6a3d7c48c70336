#!/usr/bin/env node
// A file of its own, which is there before the build: npm links no program that it does not see.
import './dist/main.js';
