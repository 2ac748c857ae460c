#!/usr/bin/env node
import { runProgram } from "../dist/program.js";

await runProgram();
