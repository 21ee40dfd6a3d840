// What @huggingface/transformers answers, one text or pair of texts at a time: {folder: [label of each text, ...], ...}
export async function labels({ env, pipeline }, modelPath, folders, texts) {
  env.allowLocalModels = true;
  env.allowRemoteModels = false;
  env.localModelPath = modelPath;
  const found = {};
  for (const folder of folders) {
    const classify = await pipeline("text-classification", folder);
    found[folder] = [];
    for (const text of texts) found[folder].push(await (Array.isArray(text) ? ofPair : ofText)(classify, text));
    await classify.dispose();
  }
  return found;
}

async function ofText(classify, text) {
  return (await classify(text))[0].label;
}

async function ofPair({ tokenizer, model }, [first, second]) {
  const inputs = tokenizer(first, { text_pair: second, truncation: true, return_token_type_ids: true });
  const logits = (await model(inputs)).logits.data;
  return model.config.id2label[logits.indexOf(Math.max(...logits))];
}
