// Files that a person chose or dropped, each with its way from the folder that was chosen.

/** What a file field holds; `path` begins with the chosen folder, where there is one. */
export const chosenFiles = (list) => [...list].map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/** What was dropped, folders with all that is in them. Hidden entries are left out. */
export async function droppedFiles(transfer) {
  // The list of items is empty once the event is over: all entries are taken before the first wait.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosenFiles(transfer.files);
  return (await Promise.all(entries.map((entry) => filesOf(entry, "")))).flat();
}

async function filesOf(entry, folder) {
  if (entry.name.startsWith(".")) return [];
  const path = folder + entry.name;
  if (entry.isFile) return [{ file: await promised((done, failed) => entry.file(done, failed)), path }];
  const inside = await entriesOf(entry.createReader());
  return (await Promise.all(inside.map((one) => filesOf(one, `${path}/`)))).flat();
}

/** A reader gives some entries at a time, and none at its end. */
async function entriesOf(reader) {
  const all = [];
  for (;;) {
    const some = await promised((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return all;
    all.push(...some);
  }
}

const promised = (begin) => new Promise((resolve, reject) => begin(resolve, reject));
