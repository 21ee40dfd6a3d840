// node in_node.mjs PACKAGE < {modelPath, folders, texts}: prints what `labels` finds, as JSON
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { labels } from "./labels.mjs";

const transformers = await import(pathToFileURL(process.argv[2]));
const { modelPath, folders, texts } = JSON.parse(readFileSync(0, "utf-8"));
console.log(JSON.stringify(await labels(transformers, modelPath, folders, texts)));
