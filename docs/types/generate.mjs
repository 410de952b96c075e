// Makes types of the AsyncAPI document: node generate.mjs DOCUMENT FOLDER writes streamrank.ts and streamrank.go.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  TS_DESCRIPTION_PRESET, TypeScriptGenerator, typeScriptDefaultModelNameConstraints,
} from "@asyncapi/modelina";
import { Parser } from "@asyncapi/parser";
import { InputData, JSONSchemaInput, quicktype } from "quicktype-core";

const ERROR = 0; // the parser's severities: error, warning, information, hint
const [path, folder] = process.argv.slice(2);
const text = await readFile(path, "utf8");
const { document, diagnostics } = await new Parser().parse(text);
const errors = diagnostics.filter(({ severity }) => severity === ERROR);
if (errors.length) {
  for (const { message, path: at } of errors) console.error(`${at.join(".")}: ${message}`);
  process.exit(1);
}
await mkdir(folder, { recursive: true });

const typescript = new TypeScriptGenerator({
  modelType: "interface",
  enumType: "union",
  mapType: "record",
  rawPropertyNames: true,
  presets: [TS_DESCRIPTION_PRESET],
  processorOptions: { interpreter: { ignoreAdditionalProperties: true } }, // a misspelt field does not compile
  constraints: {
    modelName: typeScriptDefaultModelNameConstraints({
      NO_SPECIAL_CHAR: (name) => name.replaceAll("-", " "), // behavior-events is BehaviorEvents
      NO_RESERVED_KEYWORDS: (name) => name, // Delete is a name as good as any: only delete is reserved
    }),
  },
});
const models = await typescript.generate(document);
const exported = models.map(({ result }) => result.replace(/^(?=interface |type )/m, "export "));
await writeFile(join(folder, "streamrank.ts"), exported.join("\n\n") + "\n");

// quicktype for Go: optional numbers and truths are pointers, so that 0 and false are sent, and unions read JSON
const schemas = new JSONSchemaInput(undefined);
await schemas.addSource({ name: "streamrank", schema: text, uris: ["#/components/schemas/"] });
const inputData = new InputData();
inputData.addInput(schemas);
const rendererOptions = { package: "streamrank", "omit-empty": "true" };
const { lines } = await quicktype({ inputData, lang: "go", rendererOptions });
await writeFile(join(folder, "streamrank.go"), lines.join("\n"));
