// What @huggingface/transformers answers, one text at a time: {folder: [label of each text, ...], ...}
export async function labels({ env, pipeline }, modelPath, folders, texts) {
  env.allowLocalModels = true;
  env.allowRemoteModels = false;
  env.localModelPath = modelPath;
  const found = {};
  for (const folder of folders) {
    const classify = await pipeline("text-classification", folder);
    found[folder] = [];
    for (const text of texts) found[folder].push((await classify(text))[0].label);
    await classify.dispose();
  }
  return found;
}
