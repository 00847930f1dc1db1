/**
 * The words of random container names: a temper and something of the river, where coracles are at
 * home. Loaded only when a container is made without a name.
 */
const list = (text: string): readonly string[] => text.trim().split(/\s+/);

export const FIRST: readonly string[] = list(`
  able agile airy alert amber ample apt ardent azure balmy blithe bold bonny brave breezy bright
  brisk busy calm candid canny cheery chipper civil clear clever cosy crisp curious dapper daring
  dear deft dewy eager early earnest easy elated fair fleet fond frank free fresh gallant gentle
  giddy glad golden graceful grand hale handy happy hardy hearty helpful honest humble jaunty jolly
  jovial keen kind lively loyal lucid lucky mellow merry mighty mild modest neat nimble noble patient
  placid pleasant plucky poised prim proud prudent quick quiet ready robust rosy serene sharp silent
  silver simple sleek snug sober spry steady still stout sunny supple sure swift tidy tranquil trim
  trusty upbeat valiant vivid warm wise witty worthy zesty`);

export const SECOND: readonly string[] = list(`
  alder anchor backwater bank barge beaver bend bittern bluff boat bream bridge brook bulrush buoy
  burbot canal canoe carp cascade catfish channel chub confluence coot cove crane crayfish creek
  cress current dace delta dipper dragonfly drake duck eddy eel egret estuary falls ferry fen fjord
  float flood ford frog gorge grayling grebe gull harbor headwater heron inlet isle islet ivy jetty
  kayak kingfisher lagoon lake lamprey levee lily loach lock loon mallard marsh mayfly meander mere
  midge minnow mill mist moorhen moss mouth newt oar osprey otter oxbow paddle pebble perch pier pike
  pond pool punt raft rapids reach reed reservoir ripple river roach rudder rush salmon sandpiper
  sedge shoal sluice spring stork strand strait sturgeon swan tarn teal tench tide toad torrent trout
  wader wake water weir wharf wherry whirl willow`);
