import tempfile, numpy as np, torch
from pathlib import Path
from tests.runtimes.test_pairs import *
from pipeline.runtimes.torch import read
m=network("bert"); tok=TOKENIZERS["bert"]()
a,b=Path(tempfile.mkdtemp()),Path(tempfile.mkdtemp())
d=Description("torch",LABELS,LENGTH,task=TASK)
save(m,tok,d,a,PAIRS); save_compact(m,tok,Description.read(a),b,PAIRS)
x,y=read(a),read(b)
sx,sy=x.state_dict(),y.state_dict()
print([k for k in sx if not torch.equal(sx[k],sy[k])], set(sx)^set(sy))
def diff(c):
    da,db=x.config.to_dict(),y.config.to_dict(); print({k:(da.get(k),db.get(k)) for k in da if da.get(k)!=db.get(k)})
diff(0)
la,lb=load(a,1),load(b,1)
print(np.abs(la.logits(PAIRS)-lb.logits(PAIRS)).max(), np.abs(la.logits(PAIRS[:1])-lb.logits(PAIRS[:1])).max())
e=la.encode(PAIRS)
with torch.no_grad():
    ids,mask,types=map(torch.from_numpy,e)
    for mm in (m,x,y): print(mm(input_ids=ids,attention_mask=mask,token_type_ids=types).logits[0], mm.training)
    print({n:(p[1] if False else None) for n,p in []})
    print([(n, (b1-b2).abs().max().item()) for (n,b1),(n2,b2) in zip(x.named_buffers(),y.named_buffers())])
    print([(type(p1).__name__, p1.eps,p2.eps) for p1,p2 in zip(x.modules(),y.modules()) if hasattr(p1,'eps') and p1.eps!=p2.eps])
    print([b for b in x.named_buffers()])
print(la.encode(PAIRS)[2][0], lb.encode(PAIRS)[2][0])
