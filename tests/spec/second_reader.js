// A second reader of spec/: checks its files against the schemas and runs the vectors with code of its own.
//
//     node second_reader.js SPEC     prints a line for each file, and exits with 1 if anything is wrong
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import Ajv2020 from "ajv/dist/2020.js";

const spec = process.argv[2];
const read = (...path) => JSON.parse(readFileSync(join(spec, ...path), "utf8"));
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
for (const file of readdirSync(join(spec, "schemas"))) ajv.addSchema(read("schemas", file));
const schema = (name) => ajv.getSchema(`urn:psij-like:${name}:1`);
const states = read("states.json");

class Refused extends Error {}
const refuse = (why) => {
  throw new Refused(why);
};

// R1
function resources({ node_count: nodes, process_count: processes, processes_per_node: each }) {
  if ([nodes, processes, each].some((count) => count !== undefined && count < 1)) refuse("below 1");
  const known = nodes ?? (processes !== undefined && each !== undefined ? processes / each : 1);
  const total = processes ?? known * (each ?? 1);
  const result = { node_count: known, process_count: total, processes_per_node: each ?? total / known };
  if (!Object.values(result).every(Number.isInteger)) refuse("does not divide");
  if (result.node_count * result.processes_per_node !== result.process_count) refuse("contradiction");
  return result;
}

// R4
function walltime(text) {
  const given = text.trim();
  const clock = /^(?:(?:(\d+)-)?(\d+):(\d+)(?::(\d+))?|(\d+))$/.exec(given);
  if (clock) {
    const [days, hours, minutes, seconds, alone] = clock.slice(1).map((part) => Number(part ?? 0));
    return days * 86400 + hours * 3600 + minutes * 60 + seconds + alone * 60;
  }
  const units = /^(?:(\d+)\s*d)?\s*(?:(\d+)\s*h)?\s*(?:(\d+)\s*m)?\s*(?:(\d+)\s*s)?$/i.exec(given);
  if (!units || given === "") refuse("not a walltime");
  const [days, hours, minutes, seconds] = units.slice(1).map((part) => Number(part ?? 0));
  return days * 86400 + hours * 3600 + minutes * 60 + seconds;
}

// S1
const rank = (state) => states.order.findIndex((group) => group.includes(state));
const isGreater = ([one, other]) => (one === other ? false : rank(one) === rank(other) ? null : rank(one) > rank(other));

// S1, S2
function changes({ seen, staging }) {
  const reported = [];
  let state = states.initial;
  for (const next of seen) {
    if (states.final.includes(state) || rank(next) <= rank(state)) continue;
    for (const [between] of states.order.slice(rank(state) + 1, rank(next)))
      if (!states.only_with_staging.includes(between) || staging.includes(between)) reported.push(between);
    reported.push((state = next));
  }
  return reported;
}

// J2
function environment({ job, set }) {
  const variables = { ...job };
  const result = {};
  for (const [name, value] of set)
    result[name] = variables[name] = value.replace(/\$(\$?)\{([A-Za-z_]\w*)\}/g, (_, escaped, other) =>
      escaped ? `\${${other}}` : (variables[other] ?? ""),
    );
  return result;
}

// J9: what a shell makes of the words
function quoting(words) {
  const quoted = words.map((word) => `'${word.replaceAll("'", `'\\''`)}'`);
  const read = execFileSync("/bin/sh", ["-c", `printf '%s\\0' ${quoted.join(" ")}`], { encoding: "utf8" });
  return read.split("\0").slice(0, -1);
}

// V1, V3
function jobSpec(data) {
  if (!schema("job-spec")(data)) refuse(ajv.errorsText(schema("job-spec").errors));
  const result = present(data);
  if (result.resources) {
    const { __version, ...counts } = result.resources;
    resources(counts);
    result.resources = { ...counts, __version: 1 };
  }
  if (result.attributes) result.attributes = attributes(result.attributes);
  for (const name of ["stage_in", "stage_out"]) if (result[name]) result[name] = sorted(result[name].map(transfer));
  if (result.cleanup) result.cleanup.sort();
  if (result.cleanup_flags) result.cleanup_flags = [result.cleanup_flags].flat();
  return result;
}
const present = (data) =>
  Object.fromEntries(
    Object.entries(data)
      .filter(([, value]) => value !== null)
      .map(([name, value]) => [name, ["resources", "attributes"].includes(name) ? present(value) : value]),
  );
const transfer = (item) => (item.flags ? { ...item, flags: [item.flags].flat() } : item);
const sorted = (items) => items.sort((one, other) => (one.source < other.source ? -1 : 1));
function attributes({ project_name, ...rest }) {
  const result = project_name === undefined ? rest : { ...rest, account: project_name };
  if ("duration" in result) result.duration = seconds(result.duration);
  if (result.dependencies)
    result.dependencies = Object.fromEntries(Object.entries(result.dependencies).map(([kind, ids]) => [kind, [ids].flat()]));
  return result;
}
function seconds(duration) {
  if (typeof duration === "number") return duration;
  const clock = /^(?:(\d+) days?, )?(\d+):(\d+):(.+)$/.exec(duration);
  if (!clock) return Number.parseFloat(duration);
  const [days, hours, minutes, rest] = clock.slice(1).map((part) => Number(part ?? 0));
  return days * 86400 + hours * 3600 + minutes * 60 + rest;
}

const run = {
  resources,
  walltime,
  state_order: isGreater,
  state_changes: changes,
  environment,
  quoting,
  job_spec: jobSpec,
};

let wrong = 0;
const complain = (words) => {
  wrong += 1;
  console.log(`WRONG ${words}`);
};
if (!schema("states")(states)) complain(`states.json: ${ajv.errorsText(schema("states").errors)}`);
const statusStates = schema("job-status").schema.properties.state.enum;
if (!isDeepStrictEqual(statusStates, states.order.flat())) complain("job-status.schema.json has other states");
for (const file of readdirSync(join(spec, "vectors"))) {
  const vectors = read("vectors", file);
  if (!schema("vectors")(vectors)) complain(`${file}: ${ajv.errorsText(schema("vectors").errors)}`);
  for (const { name, input, output = input, refused = false } of vectors.cases) {
    let result;
    try {
      result = run[file.replace(".json", "")](structuredClone(input));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (!refused) complain(`${file}: ${name}: refused: ${error.message}`);
      continue;
    }
    if (refused) complain(`${file}: ${name}: not refused, but ${JSON.stringify(result)}`);
    else if (!isDeepStrictEqual(result, output)) complain(`${file}: ${name}: ${JSON.stringify(result)}`);
  }
  console.log(`${file}: ${vectors.cases.length} cases`);
}
process.exitCode = wrong ? 1 : 0;
